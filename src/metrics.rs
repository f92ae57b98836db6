//! Confusion matrices and the figures made from them: IoU, mean IoU, pixel accuracy.
