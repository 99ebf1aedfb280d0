//! The weights of `simple-shuffle`.

use crate::harness::{Proxy, answering, deployment};

#[test]
fn one_kind_of_weight_counts_in_a_group() {
    let upstream = answering("");
    let weights = |params: [&str; 3]| {
        let models: String = params.map(|more| deployment("m", "openai/x", upstream, more)).concat();
        let proxy = Proxy::start(&models, "");
        let routes = proxy.gateway.routes.load();
        routes.deployments.iter().map(|deployment| deployment.weight).collect::<Vec<_>>()
    };
    assert_eq!(weights(["", "", ""]), [1, 1, 1]);
    assert_eq!(weights(["tpm: 7", "", "tpm: 9"]), [7, 0, 9]);
    assert_eq!(weights(["tpm: 7", "rpm: 2", "tpm: 9"]), [0, 2, 0]);
    assert_eq!(weights(["weight: 0.5", "rpm: 900", "weight: 3"]), [500, 0, 3000]);
}
