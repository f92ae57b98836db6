//! From a float model to a static int8 QDQ model.
