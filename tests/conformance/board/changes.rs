//! Who hears of what.

use common::{
    id::JobId,
    port::board::{Board, Changes},
    view::JobView,
};

use super::{
    each_board,
    subject::{finished, hear, view},
};

each_board! {
    every_listener_hears_of_each_view_that_was_put_after_it_began_to_listen,
    a_view_that_is_not_the_newest_is_not_told_of,
}

async fn hear_jobs(changes: &mut Box<dyn Changes>, count: usize) -> Vec<JobId> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.extend(hear(changes).await.expect("no gap"));
    }
    heard
}

async fn every_listener_hears_of_each_view_that_was_put_after_it_began_to_listen(
    board: &dyn Board,
) {
    let mut early = board.changes().await.unwrap();
    let first = view(1);
    board.put(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(hear_jobs(&mut early, 1).await, [first.id]);
    let mut late = board.changes().await.unwrap();
    let views: Vec<JobView> = (0..450).map(view).collect();
    board.put(&views).await.unwrap();
    let ids: Vec<JobId> = views.iter().map(|view| view.id).collect();
    assert_eq!(hear_jobs(&mut early, 450).await, ids);
    assert_eq!(hear_jobs(&mut late, 450).await, ids);
}

async fn a_view_that_is_not_the_newest_is_not_told_of(board: &dyn Board) {
    let old = view(3);
    let new = finished(&old);
    let marker = view(1);
    board.put(std::slice::from_ref(&new)).await.unwrap();
    let mut changes = board.changes().await.unwrap();
    board.put(std::slice::from_ref(&old)).await.unwrap();
    board.put(std::slice::from_ref(&new)).await.unwrap();
    board.put(&[old, marker.clone()]).await.unwrap();
    assert_eq!(hear(&mut changes).await, Some(vec![marker.id]));
}
