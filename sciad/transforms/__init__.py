"""What users call on functions: gradients, Jacobians, vmap, custom rules, implicit functions, checkpoints."""
