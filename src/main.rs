//! The `sedge` program: parse, call, exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
