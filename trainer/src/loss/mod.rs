//! Losses between logits and labels.
