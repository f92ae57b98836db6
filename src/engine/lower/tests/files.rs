use crate::onnx::Model;

#[test]
fn print_files() {
    for path in std::env::var("LOWER_FILES").unwrap_or_default().split_whitespace() {
        let model = Model::read(path.as_ref()).expect("a model");
        let start = std::time::Instant::now();
        match super::super::lower(&model) {
            Err(error) => println!("{path}: ERROR {error}"),
            Ok(lowered) => {
                println!("{path}: {} programs, {} kept, whole {} in {:?}", lowered.programs.len(), lowered.kept.len(), lowered.whole().is_some(), start.elapsed());
                for kept in &lowered.kept {
                    println!("   kept {} {}: {}", kept.operator, kept.node, kept.reason);
                }
                for program in &lowered.programs {
                    let mut kinds = std::collections::BTreeMap::new();
                    for op in &program.ops {
                        let text = format!("{:?}", op.kind);
                        let kind = text.split([' ', '{']).next().unwrap_or("").to_string();
                        *kinds.entry(kind).or_insert(0) += 1;
                    }
                    println!("   {kinds:?} in {:?} out {:?}", program.inputs, program.outputs);
                }
            }
        }
    }
}
