"""What labels say: their classes, negations, prompts and descriptions."""
