"""A trained model for the programs of others: CTranslate2 and Hugging Face transformers."""
