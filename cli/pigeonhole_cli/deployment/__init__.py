"""What an operator does with a deployment on AWS: check it, and find its retained data again."""
