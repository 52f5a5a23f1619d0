"""Every figure that the README quotes, one command each. Results are ratios measured side by side in one run."""
