//! Every example runs, on a broker inside the process.

use std::time::Duration;

use poruka::Bus;
use poruka_env::Env;

#[path = "../examples/at_least_once.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main opens a folder of its own")]
mod at_least_once;
#[path = "../examples/at_most_once.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main opens a folder of its own")]
mod at_most_once;
#[path = "../examples/best_effort.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main opens a folder of its own")]
mod best_effort;
#[path = "../examples/durable.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main opens a folder of its own")]
mod durable;
#[path = "../examples/ordered.rs"]
#[expect(dead_code, unreachable_pub, reason = "its main opens a folder of its own")]
mod ordered;

const EXAMPLE_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::open(folder.path()).await.unwrap();
    let all = async {
        best_effort::example(&bus).await.unwrap();
        at_most_once::example(&bus).await.unwrap();
        at_least_once::example(&bus).await.unwrap();
        ordered::example(&bus).await.unwrap();
        durable::example(&bus).await.unwrap();
    };
    Env::real().timeout(EXAMPLE_TIME_MAX, all).await.unwrap();
    bus.close().await;
}
