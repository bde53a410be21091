//! Runs a program of classic BPF on bytes, as the kernel does: what is not there to be loaded ends it, and the packet does
//! not pass. Only what [`super::compile`] writes is understood.

use libc::{
    BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE,
    BPF_JGT, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC, BPF_RET,
    BPF_ST, BPF_TAX, BPF_W, BPF_X,
};

use super::compile::{AT, KIND};
use crate::socket::Instruction;

/// What is known when the program begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct MachineStart {
    /// The type of the network layer.
    pub(super) kind: u32,
    /// Where its header begins.
    pub(super) at: usize,
}

/// The answer of the program: 0 where the packet does not pass.
pub(super) fn run(program: &[Instruction], bytes: &[u8], start: MachineStart) -> u32 {
    let mut machine = Machine { bytes, accumulator: 0, index: 0, memory: [0; 16] };
    machine.memory[KIND as usize] = start.kind;
    machine.memory[AT as usize] = u32::try_from(start.at).unwrap_or(u32::MAX);
    machine.run(program).unwrap_or(0)
}

struct Machine<'b> {
    bytes: &'b [u8],
    accumulator: u32,
    index: u32,
    memory: [u32; 16],
}

impl Machine<'_> {
    /// None: something was to be loaded that is not there, or the program is none of ours.
    fn run(&mut self, program: &[Instruction]) -> Option<u32> {
        let mut at = 0_usize;
        loop {
            let step = program.get(at)?;
            let (code, k) = (u32::from(step.code), step.k);
            at += 1;
            // BPF_LD and BPF_IMM are zero: the class of each opcode is its lowest three bits.
            match code & 0x07 {
                BPF_LD => self.accumulator = self.load(code, k)?,
                BPF_LDX if code & 0xe0 == BPF_MEM => self.index = *self.memory.get(k as usize)?,
                BPF_ST => *self.memory.get_mut(k as usize)? = self.accumulator,
                BPF_ALU => self.accumulator = self.calculated(code, k)?,
                BPF_JMP if code & 0xf0 == BPF_JA => at = at.checked_add(k as usize)?,
                BPF_JMP => {
                    let is_so = self.compares(code, k)?;
                    at += usize::from(if is_so { step.jt } else { step.jf });
                }
                BPF_RET if code & 0x18 == BPF_K => return Some(k),
                BPF_MISC if code & 0xf8 == BPF_TAX => self.index = self.accumulator,
                _ => return None,
            }
        }
    }

    fn load(&self, code: u32, k: u32) -> Option<u32> {
        let at = match code & 0xe0 {
            BPF_IMM => return Some(k),
            BPF_MEM => return self.memory.get(k as usize).copied(),
            BPF_ABS => k,
            BPF_IND => self.index.checked_add(k)?,
            _ => return None,
        } as usize;
        match code & 0x18 {
            BPF_W => {
                let four = self.bytes.get(at..at.checked_add(4)?)?;
                Some(u32::from_be_bytes(four.try_into().expect("four bytes were taken")))
            }
            BPF_H => {
                let two = self.bytes.get(at..at.checked_add(2)?)?;
                Some(u16::from_be_bytes(two.try_into().expect("two bytes were taken")).into())
            }
            BPF_B => self.bytes.get(at).copied().map(u32::from),
            _ => None,
        }
    }

    fn calculated(&self, code: u32, k: u32) -> Option<u32> {
        let operand = if code & 0x08 == BPF_X { self.index } else { k };
        match code & 0xf0 {
            BPF_AND => Some(self.accumulator & operand),
            BPF_LSH => Some(self.accumulator.checked_shl(operand).unwrap_or(0)),
            BPF_ADD => Some(self.accumulator.wrapping_add(operand)),
            _ => None,
        }
    }

    fn compares(&self, code: u32, k: u32) -> Option<bool> {
        match code & 0xf0 {
            BPF_JEQ => Some(self.accumulator == k),
            BPF_JGT => Some(self.accumulator > k),
            BPF_JGE => Some(self.accumulator >= k),
            BPF_JSET => Some(self.accumulator & k != 0),
            _ => None,
        }
    }
}
