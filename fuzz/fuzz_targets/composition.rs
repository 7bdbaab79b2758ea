//! Any JSON: it parses, or its faults are told; what parses says its sources, and compiles or tells why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let Ok(document) = serde_json::from_slice(data) else { return };
    match composition::parse(&document) {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(composition) => {
            let _ = composition::sources(&composition);
            if let Ok(plan) = composition::compile(&composition, &BTreeMap::new()) {
                let frames: u64 = plan.segments.iter().map(|segment| segment.frames).sum();
                assert_eq!(frames, plan.assemble.frames);
            }
        }
    }
});
