//! x
use super::{Context, Graph};
use crate::error::CompileError;
pub(super) fn run(_graph: &mut Graph, _context: &mut Context) -> Result<(), Vec<CompileError>> {
    Ok(())
}
