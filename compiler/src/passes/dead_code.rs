//! Removes nodes and tensors that nobody reads, and numbers the rest densely.

use super::Graph;
use crate::error::CompileError;
use crate::graph::edit::{remove_dead_nodes, remove_unused_tensors};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    remove_dead_nodes(graph);
    remove_unused_tensors(graph);
    Ok(())
}
