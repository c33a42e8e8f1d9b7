//! The network in training: its error on a stretch, and the slope of the error by each weight.
//!
//! The slopes are those of backpropagation through time: P. J. Werbos, "Backpropagation through time: what it does and how to do
//! it", Proceedings of the IEEE 78 (1990). The network is that of the forward pass, in numbers of double precision.

use rand_xoshiro::rand_core::Rng;

use crate::detectors::autoencoder::lstm::{HIDDEN, UNITS};
use crate::detectors::autoencoder::{Autoencoder, DAY, LstmWeights, WeightsFile};

/// All weights in one row: those of the encoder, of the decoder, and of the output with its bias.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    pub(super) numbers: Vec<f64>,
}

/// Where the weights of a layer lie. For each number that is read there are the weights of all gates, side by side.
#[derive(Clone, Copy)]
struct Layer {
    begin: usize,
    width: usize,
}

const ENCODER: Layer = Layer { begin: 0, width: 1 };
const DECODER: Layer = Layer { begin: ENCODER.end(), width: HIDDEN };
const OUTPUT: usize = DECODER.end();
const OUTPUT_BIAS: usize = OUTPUT + HIDDEN;

/// How many weights there are.
pub(super) const SIZE: usize = OUTPUT_BIAS + 1;

/// The second of the four gates: what is kept of the state before.
const FORGET: std::ops::Range<usize> = HIDDEN..2 * HIDDEN;

type Hidden = [f64; HIDDEN];
type Gates = [f64; UNITS];

/// What a step went through.
#[derive(Clone)]
struct Step {
    gates: Gates,
    kept_before: Hidden,
    told_before: Hidden,
    /// The hyperbolic tangent of what is kept.
    bent: Hidden,
    kept: Hidden,
    told: Hidden,
}

impl Layer {
    const fn recurrent(self) -> usize {
        self.begin + self.width * UNITS
    }

    const fn bias(self) -> usize {
        self.recurrent() + HIDDEN * UNITS
    }

    const fn end(self) -> usize {
        self.bias() + UNITS
    }

    fn step(self, numbers: &[f64], read: &[f64], kept: &Hidden, told: &Hidden) -> Step {
        let mut gates: Gates = [0.0; UNITS];
        gates.copy_from_slice(&numbers[self.bias()..][..UNITS]);
        add_products(&mut gates, &numbers[self.begin..], read);
        add_products(&mut gates, &numbers[self.recurrent()..], told);
        for (unit, gate) in gates.iter_mut().enumerate() {
            let is_cell = (2 * HIDDEN..3 * HIDDEN).contains(&unit);
            *gate = if is_cell { gate.tanh() } else { 1.0 / (1.0 + (-*gate).exp()) };
        }
        let mut step = Step {
            gates,
            kept_before: *kept,
            told_before: *told,
            bent: [0.0; HIDDEN],
            kept: *kept,
            told: *told,
        };
        for (unit, before) in kept.iter().enumerate() {
            let [enter, forget, cell, output] = of_unit(&gates, unit);
            step.kept[unit] = forget * before + enter * cell;
            step.bent[unit] = step.kept[unit].tanh();
            step.told[unit] = output * step.bent[unit];
        }
        step
    }

    /// Goes back through a step. Takes the slopes of what it told and kept, and leaves those of the step before.
    ///
    /// Returns the slopes by the gates before they were bent.
    fn back(
        self,
        numbers: &[f64],
        step: &Step,
        told: &mut Hidden,
        kept: &mut Hidden,
        into: &mut [f64],
    ) -> Gates {
        let mut slopes: Gates = [0.0; UNITS];
        for unit in 0..HIDDEN {
            let [enter, forget, cell, output] = of_unit(&step.gates, unit);
            let bent = step.bent[unit];
            let of_kept = kept[unit] + told[unit] * output * (1.0 - bent * bent);
            slopes[unit] = of_kept * cell * enter * (1.0 - enter);
            slopes[HIDDEN + unit] = of_kept * step.kept_before[unit] * forget * (1.0 - forget);
            slopes[2 * HIDDEN + unit] = of_kept * enter * (1.0 - cell * cell);
            slopes[3 * HIDDEN + unit] = told[unit] * bent * output * (1.0 - output);
            kept[unit] = of_kept * forget;
        }
        add_outer(&mut into[self.recurrent()..], &slopes, &step.told_before);
        add(&mut into[self.bias()..], &slopes);
        *told = std::array::from_fn(|unit| dot(&numbers[self.recurrent() + unit * UNITS..], &slopes));
        slopes
    }

    /// The layer as its file has it: rows by gate.
    fn file(self, numbers: &[f64]) -> LstmWeights {
        let rows = |begin: usize, width: usize| {
            let row =
                |unit: usize| (0..width).map(|read| numbers[begin + read * UNITS + unit] as f32).collect();
            (0..UNITS).map(row).collect()
        };
        LstmWeights {
            input: rows(self.begin, self.width),
            recurrent: rows(self.recurrent(), HIDDEN),
            bias: numbers[self.bias()..self.end()].iter().map(|number| *number as f32).collect(),
        }
    }
}

impl Network {
    /// Weights as PyTorch draws them, but a forgetting gate that begins open.
    pub(super) fn random(random: &mut impl Rng) -> Self {
        let reach = 1.0 / (HIDDEN as f64).sqrt();
        let mut draw = || reach * (f64::from(random.next_u32()) / 2.0_f64.powi(31) - 1.0);
        let mut numbers: Vec<f64> = (0..SIZE).map(|_| draw()).collect();
        for layer in [ENCODER, DECODER] {
            numbers[layer.bias()..][FORGET].iter_mut().for_each(|number| *number += 1.0);
        }
        Self { numbers }
    }

    /// The mean squared difference between a stretch and its reconstruction.
    pub(super) fn error(&self, stretch: &[f64; DAY]) -> f64 {
        self.forward(stretch).2
    }

    /// Adds the slopes of the error to those of other stretches.
    pub(super) fn add_gradient(&self, stretch: &[f64; DAY], into: &mut [f64]) {
        let (read, written, _) = self.forward(stretch);
        let numbers = &self.numbers;
        let (mut told, mut kept) = ([0.0; HIDDEN], [0.0; HIDDEN]);
        // The decoder reads the same code at each step, so the slopes of its gates can be added first.
        let mut of_gates: Gates = [0.0; UNITS];
        for ((step, again), value) in written.iter().zip(self.again(&written)).zip(stretch).rev() {
            let slope = 2.0 * (again - value) / DAY as f64;
            for unit in 0..HIDDEN {
                into[OUTPUT + unit] += slope * step.told[unit];
                told[unit] += slope * numbers[OUTPUT + unit];
            }
            into[OUTPUT_BIAS] += slope;
            add(&mut of_gates, &DECODER.back(numbers, step, &mut told, &mut kept, into));
        }
        let code = read[DAY - 1].told;
        add_outer(&mut into[DECODER.begin..], &of_gates, &code);
        told = std::array::from_fn(|unit| dot(&numbers[DECODER.begin + unit * UNITS..], &of_gates));
        kept = [0.0; HIDDEN];
        for (step, value) in read.iter().zip(stretch).rev() {
            let slopes = ENCODER.back(numbers, step, &mut told, &mut kept, into);
            add_outer(&mut into[ENCODER.begin..], &slopes, &[*value]);
        }
    }

    /// The steps of the encoder and of the decoder, and the error.
    fn forward(&self, stretch: &[f64; DAY]) -> (Vec<Step>, Vec<Step>, f64) {
        let steps = |layer: Layer, read: &dyn Fn(usize) -> Vec<f64>| {
            let mut steps: Vec<Step> = Vec::with_capacity(DAY);
            for place in 0..DAY {
                let (kept, told) =
                    steps.last().map_or(([0.0; HIDDEN], [0.0; HIDDEN]), |step| (step.kept, step.told));
                steps.push(layer.step(&self.numbers, &read(place), &kept, &told));
            }
            steps
        };
        let read = steps(ENCODER, &|place| vec![stretch[place]]);
        let code = read[DAY - 1].told.to_vec();
        let written = steps(DECODER, &|_| code.clone());
        let squares: f64 =
            self.again(&written).iter().zip(stretch).map(|(again, value)| (again - value).powi(2)).sum();
        (read, written, squares / DAY as f64)
    }

    /// The values that the decoder writes.
    fn again(&self, written: &[Step]) -> Vec<f64> {
        let output = &self.numbers[OUTPUT..][..HIDDEN];
        let of = |step: &Step| {
            step.told.iter().zip(output).map(|(told, weight)| told * weight).sum::<f64>()
                + self.numbers[OUTPUT_BIAS]
        };
        written.iter().map(of).collect()
    }

    /// The file of the network, with the logarithms of normal errors.
    pub(super) fn file(&self, error_mean: f64, error_spread: f64) -> WeightsFile {
        let numbers = &self.numbers;
        WeightsFile {
            version: Autoencoder::VERSION,
            encoder: ENCODER.file(numbers),
            decoder: DECODER.file(numbers),
            output: numbers[OUTPUT..OUTPUT_BIAS].iter().map(|number| *number as f32).collect(),
            output_bias: numbers[OUTPUT_BIAS] as f32,
            error_mean,
            error_spread,
        }
    }
}

/// Input, forget, cell and output gate of one unit.
fn of_unit(gates: &Gates, unit: usize) -> [f64; 4] {
    std::array::from_fn(|gate| gates[gate * HIDDEN + unit])
}

/// Adds to each gate its weights times the values.
fn add_products(gates: &mut Gates, weights: &[f64], values: &[f64]) {
    for (weights, value) in weights.chunks_exact(UNITS).zip(values) {
        gates.iter_mut().zip(weights).for_each(|(gate, weight)| *gate += weight * value);
    }
}

/// Adds the slope of each gate times each value to the slopes of the weights.
fn add_outer(into: &mut [f64], slopes: &Gates, values: &[f64]) {
    for (into, value) in into.chunks_exact_mut(UNITS).zip(values) {
        into.iter_mut().zip(slopes).for_each(|(into, slope)| *into += slope * value);
    }
}

fn add(into: &mut [f64], slopes: &Gates) {
    into.iter_mut().zip(slopes).for_each(|(into, slope)| *into += slope);
}

fn dot(weights: &[f64], slopes: &Gates) -> f64 {
    weights.iter().zip(slopes).map(|(weight, slope)| weight * slope).sum()
}
