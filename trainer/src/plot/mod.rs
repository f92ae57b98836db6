//! Pictures of a run: curves, heat maps, sheets of predictions.
