//! Which changes reach which subscriber.

use common::{
    id::JobId,
    port::view_cache::{ChangeStream, ViewCache},
    view::JobView,
};

use super::{
    each_view_cache,
    fixture::{finished, next_changes, view},
};

each_view_cache! {
    every_listener_gets_each_view_put_after_it_subscribed,
    an_outdated_view_is_not_announced,
}

async fn next_jobs(changes: &mut Box<dyn ChangeStream>, count: usize) -> Vec<JobId> {
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(next_changes(changes).await.expect("no gap"));
    }
    received
}

async fn every_listener_gets_each_view_put_after_it_subscribed(view_cache: &dyn ViewCache) {
    let mut early = view_cache.changes().await.unwrap();
    let first = view(1);
    view_cache.put(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(next_jobs(&mut early, 1).await, [first.id]);
    let mut late = view_cache.changes().await.unwrap();
    let views: Vec<JobView> = (0..450).map(view).collect();
    view_cache.put(&views).await.unwrap();
    let ids: Vec<JobId> = views.iter().map(|view| view.id).collect();
    assert_eq!(next_jobs(&mut early, 450).await, ids);
    assert_eq!(next_jobs(&mut late, 450).await, ids);
}

async fn an_outdated_view_is_not_announced(view_cache: &dyn ViewCache) {
    let old = view(3);
    let new = finished(&old);
    let marker = view(1);
    view_cache.put(std::slice::from_ref(&new)).await.unwrap();
    let mut changes = view_cache.changes().await.unwrap();
    view_cache.put(std::slice::from_ref(&old)).await.unwrap();
    view_cache.put(std::slice::from_ref(&new)).await.unwrap();
    view_cache.put(&[old, marker.clone()]).await.unwrap();
    assert_eq!(next_changes(&mut changes).await, Some(vec![marker.id]));
}
