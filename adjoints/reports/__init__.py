"""What users ask of gradients: how good, at what cost, and curvature."""
