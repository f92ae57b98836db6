//! Options that say how a model is run.

use sedge::engine::{Engine, Options};

#[derive(clap::Args)]
pub struct EngineArgs {
    /// Threads; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Who runs quantized operators: the integer engine, or tract (in floats, for comparisons)
    #[arg(long, value_enum, default_value_t = Choice::Int8)]
    engine: Choice,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Choice {
    Int8,
    Tract,
}

impl EngineArgs {
    /// Whether the number of threads was given.
    pub fn has_threads(&self) -> bool {
        self.threads.is_some()
    }

    /// Whether tract was asked for.
    pub fn is_tract(&self) -> bool {
        matches!(self.engine, Choice::Tract)
    }

    pub fn options(&self) -> Options {
        let processors = || std::thread::available_parallelism().map_or(1, |count| count.get().min(64));
        Options {
            threads: self.threads.map_or_else(processors, usize::from),
            engine: match self.engine {
                Choice::Int8 => Engine::Int8,
                Choice::Tract => Engine::Tract,
            },
        }
    }
}
