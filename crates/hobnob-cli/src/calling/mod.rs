//! What a verb that calls somebody shows of its calls to the kernel: lines or events as they are made, and a script of them.

mod explainer;
mod script;
mod steps;

pub(crate) use explainer::Explainer;
pub(crate) use script::PythonScript;
