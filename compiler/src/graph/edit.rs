//! Small rewrites that several passes share.

use super::{Graph, Layout, Node, Tensor, TensorId};

/// Makes everything that reads `from`, graph outputs included, read `to`.
pub(crate) fn redirect(graph: &mut Graph, from: TensorId, to: TensorId) {
    for input in graph.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut().flatten()) {
        if *input == from {
            *input = to;
        }
    }
    for io in &mut graph.outputs {
        if io.tensor == from {
            io.tensor = to;
        }
    }
}

/// Makes everything that reads the first tensor of a pair read the second, for all pairs; they are in order of execution, so that a chain
/// of them ends at its beginning.
pub(crate) fn remove_aliases(graph: &mut Graph, mut aliases: Vec<(TensorId, TensorId)>) {
    for index in 0..aliases.len() {
        let (from, to) = aliases[index];
        redirect(graph, from, to);
        aliases[index + 1..]
            .iter_mut()
            .filter(|(_, x)| *x == from)
            .for_each(|(_, x)| *x = to);
    }
}

/// Removes the nodes whose results nobody reads.
pub(crate) fn remove_dead_nodes(graph: &mut Graph) {
    let mut is_live = vec![false; graph.tensors.len()];
    for io in &graph.outputs {
        is_live[io.tensor.index()] = true;
    }
    let mut keep = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|output| is_live[output.index()]) {
            keep[index] = true;
            node.inputs
                .iter()
                .flatten()
                .for_each(|input| is_live[input.index()] = true);
        }
    }
    let mut keep = keep.iter();
    graph.nodes.retain(|_| *keep.next().expect("one flag per node"));
}

/// Removes the tensors that no node and no graph input or output mentions, and renumbers the others in order.
pub(crate) fn remove_unused_tensors(graph: &mut Graph) {
    let mut is_used = vec![false; graph.tensors.len()];
    for_each_id(graph, |id| is_used[id.index()] = true);
    let mut next = 0;
    let renumbered: Vec<TensorId> = is_used
        .iter()
        .map(|&used| {
            let id = TensorId(next);
            next += u32::from(used);
            id
        })
        .collect();
    let mut is_used = is_used.into_iter();
    graph.tensors.retain(|_| is_used.next().expect("one flag per tensor"));
    for_each_id(graph, |id| *id = renumbered[id.index()]);
}

fn for_each_id(graph: &mut Graph, mut visit: impl FnMut(&mut TensorId)) {
    for node in &mut graph.nodes {
        node.inputs.iter_mut().flatten().for_each(&mut visit);
        node.outputs.iter_mut().for_each(&mut visit);
    }
    for io in graph.inputs.iter_mut().chain(&mut graph.outputs) {
        visit(&mut io.tensor);
    }
}

/// Adds a tensor with type, quantization and name stem of another, but its own shape.
pub(crate) fn add_sibling(graph: &mut Graph, of: TensorId, suffix: &str, shape: Option<Vec<usize>>) -> TensorId {
    let model = graph.tensor(of);
    let sibling = Tensor {
        name: format!("{}.{suffix}", model.name),
        shape,
        dtype: model.dtype,
        quantization: model.quantization.clone(),
        data: None,
        layout: Layout::Logical,
    };
    graph.add_tensor(sibling)
}

/// Replaces every node by the nodes `rewrite` makes of it, in order.
pub(crate) fn rewrite_nodes<E>(
    graph: &mut Graph,
    mut rewrite: impl FnMut(&mut Graph, Node) -> Result<Vec<Node>, E>,
) -> Result<(), Vec<E>> {
    let mut errors = Vec::new();
    let nodes = std::mem::take(&mut graph.nodes);
    let mut rewritten = Vec::with_capacity(nodes.len());
    for node in nodes {
        match rewrite(graph, node) {
            Ok(new) => rewritten.extend(new),
            Err(error) => errors.push(error),
        }
    }
    graph.nodes = rewritten;
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Op};

    #[test]
    fn what_nobody_reads_is_removed_and_the_rest_renumbered() {
        let mut graph = Graph::default();
        let value = |name: &str| Tensor::value(name, DType::F32, vec![1, 2]);
        let [orphan, x, y, dead] = ["orphan", "x", "y", "dead"].map(|n| graph.add_tensor(value(n)));
        assert_eq!(orphan, TensorId(0));
        graph.add_input(x);
        graph.add_node(Node::new("a", Op::Relu, &[x], y));
        graph.add_node(Node::new("b", Op::Relu, &[y], dead));
        graph.add_output(y);
        remove_dead_nodes(&mut graph);
        remove_unused_tensors(&mut graph);
        assert_eq!(graph.nodes, [Node::new("a", Op::Relu, &[TensorId(0)], TensorId(1))]);
        assert_eq!(graph.tensors.len(), 2);
        assert_eq!(
            (graph.inputs[0].tensor, graph.outputs[0].tensor),
            (TensorId(0), TensorId(1))
        );
    }
}
