//! Instructions with labels, and their way to numbers.

use crate::socket::Instruction;

/// A place in a program that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// One step of a program that is being written.
#[derive(Debug, Clone, Copy)]
enum AssemblyStep {
    Plain(Instruction),
    /// A comparison of the accumulator with `k`.
    Branch {
        code: u16,
        k: u32,
        yes: Label,
        no: Label,
    },
    Goto(Label),
    Place(Label),
}

/// A program that is being written.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    steps: Vec<AssemblyStep>,
    labels: usize,
}

/// How far a comparison jumps at most: its two distances have eight bits each.
const FARTHEST: usize = 255;

impl Assembler {
    /// A label that is not placed yet.
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// The next instruction is what the label means.
    pub(super) fn place(&mut self, label: Label) {
        self.steps.push(AssemblyStep::Place(label));
    }

    /// An instruction that jumps nowhere.
    pub(super) fn plain(&mut self, code: u32, k: u32) {
        self.steps.push(AssemblyStep::Plain(Instruction::new(short(code), 0, 0, k)));
    }

    /// Goes on at `yes` or at `no`; code is one of `BPF_JEQ`, `BPF_JGT`, `BPF_JGE`, `BPF_JSET`.
    pub(super) fn branch(&mut self, code: u32, k: u32, yes: Label, no: Label) {
        let code = short(libc::BPF_JMP | libc::BPF_K | code);
        self.steps.push(AssemblyStep::Branch { code, k, yes, no });
    }

    /// Goes on at the label.
    pub(super) fn goto(&mut self, label: Label) {
        self.steps.push(AssemblyStep::Goto(label));
    }

    /// The program. A comparison whose goal is too far away jumps by way of an unconditional jump right behind it.
    pub(super) fn finish(&self) -> Vec<Instruction> {
        let mut is_far = vec![(false, false); self.steps.len()];
        loop {
            let places = self.places(&is_far);
            let mut has_changed = false;
            for (at, step) in self.steps.iter().enumerate() {
                let AssemblyStep::Branch { yes, no, .. } = step else { continue };
                let from = places.steps[at] + 1;
                let far = |label: &Label| places.labels[label.0].saturating_sub(from) > FARTHEST;
                let (yes, no) = (is_far[at].0 || far(yes), is_far[at].1 || far(no));
                has_changed |= (yes, no) != is_far[at];
                is_far[at] = (yes, no);
            }
            if !has_changed {
                return self.written(&places, &is_far);
            }
        }
    }

    fn places(&self, is_far: &[(bool, bool)]) -> Places {
        let mut places = Places { steps: Vec::new(), labels: vec![0; self.labels] };
        let mut at = 0;
        for (step, (far_yes, far_no)) in self.steps.iter().zip(is_far) {
            places.steps.push(at);
            match step {
                AssemblyStep::Place(label) => places.labels[label.0] = at,
                AssemblyStep::Branch { .. } => {
                    at += 1 + usize::from(*far_yes) + usize::from(*far_no);
                }
                AssemblyStep::Plain(_) | AssemblyStep::Goto(_) => at += 1,
            }
        }
        places
    }

    fn written(&self, places: &Places, is_far: &[(bool, bool)]) -> Vec<Instruction> {
        let mut program = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let from = places.steps[at] + 1;
            match step {
                AssemblyStep::Place(_) => {}
                AssemblyStep::Plain(instruction) => program.push(*instruction),
                AssemblyStep::Goto(label) => program.push(jump(places, from, *label)),
                AssemblyStep::Branch { code, k, yes, no } => {
                    let (far_yes, far_no) = is_far[at];
                    let near = |label: Label| byte(places.labels[label.0] - from);
                    let jt = if far_yes { 0 } else { near(*yes) };
                    let jf = if far_no { u8::from(far_yes) } else { near(*no) };
                    program.push(Instruction::new(*code, jt, jf, *k));
                    if far_yes {
                        program.push(jump(places, from + 1, *yes));
                    }
                    if far_no {
                        program.push(jump(places, from + 1 + usize::from(far_yes), *no));
                    }
                }
            }
        }
        program
    }
}

/// Where the steps and the labels of a program stand.
struct Places {
    steps: Vec<usize>,
    labels: Vec<usize>,
}

fn jump(places: &Places, from: usize, to: Label) -> Instruction {
    let distance = u32::try_from(places.labels[to.0] - from).expect("a program is no such size");
    Instruction::new(short(libc::BPF_JMP | libc::BPF_JA), 0, 0, distance)
}

fn byte(distance: usize) -> u8 {
    u8::try_from(distance).expect("what is farther has a jump of its own")
}

fn short(code: u32) -> u16 {
    u16::try_from(code).expect("opcodes have 16 bits")
}
