//! The program container.
