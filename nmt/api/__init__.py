"""The Python interface: `import nmt`. See docs/python.md."""
