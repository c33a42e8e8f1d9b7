//! One layer of long short-term memory.

/// Numbers of a layer's state.
pub(super) const HIDDEN: usize = 16;
/// Input, forget, cell and output gate, in the order of PyTorch.
const GATES: usize = 4;
pub(super) const UNITS: usize = GATES * HIDDEN;

/// For each number that is read, its weights in all gates.
pub(super) type Weights = Vec<[f32; UNITS]>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lstm {
    pub(super) input: Weights,
    pub(super) recurrent: Weights,
    pub(super) bias: [f32; UNITS],
}

/// The state between two steps: what a layer tells, and what it keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) told: [f32; HIDDEN],
    kept: [f32; HIDDEN],
}

impl Lstm {
    /// What the input and the bias bring to the gates.
    pub(super) fn driven_by(&self, input: &[f32]) -> [f32; UNITS] {
        let mut gates = self.bias;
        add(&mut gates, &self.input, input);
        gates
    }

    /// The state after one more step.
    pub(super) fn step(&self, state: &State, driven: &[f32; UNITS]) -> State {
        let mut gates = *driven;
        add(&mut gates, &self.recurrent, &state.told);
        let mut next = State::default();
        for unit in 0..HIDDEN {
            let [enter, forget, cell, output] = std::array::from_fn(|gate| gates[gate * HIDDEN + unit]);
            next.kept[unit] = sigmoid(forget) * state.kept[unit] + sigmoid(enter) * cell.tanh();
            next.told[unit] = sigmoid(output) * next.kept[unit].tanh();
        }
        next
    }
}

fn add(gates: &mut [f32; UNITS], weights: &Weights, values: &[f32]) {
    for (weights, value) in weights.iter().zip(values) {
        gates.iter_mut().zip(weights).for_each(|(gate, weight)| *gate += weight * value);
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
