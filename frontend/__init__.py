"""From PyTorch to `flow`: Dynamo graphs through AOTAutograd, and `torch.export` programs."""
