"""What Python programs use: `import nmt`. See docs/python.md."""
