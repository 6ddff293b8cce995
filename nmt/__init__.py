import os

# Read by the Hugging Face libraries when they are imported: no messages home about what is loaded.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
