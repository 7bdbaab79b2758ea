//! Which view is kept, for which tenant, and how long.

use std::time::{Duration, Instant};

use common::{
    id::{JobId, TenantId},
    limits::LIVE_VIEW_TTL,
    port::view_cache::ViewCache,
    view::{JobView, Rank},
};
use serde_json::json;

use super::{
    each_view_cache,
    fixture::{BOUND, finished, later, read_view, tenant, view},
};

each_view_cache! {
    views_come_back_whole_and_in_the_order_of_the_ids,
    the_newest_rank_stays_in_any_order_of_writes,
    two_concurrent_writers_leave_the_newer_view,
    a_view_is_visible_only_to_its_tenant,
    a_forgotten_view_is_gone_and_may_be_put_again,
    a_live_view_expires_unless_renewed_and_a_final_one_stays,
    a_large_batch_and_a_large_view_pass,
    empty_puts_gets_and_forgets_succeed,
    a_healthy_view_cache_passes_its_check,
}

async fn views_come_back_whole_and_in_the_order_of_the_ids(view_cache: &dyn ViewCache) {
    let views: Vec<JobView> = (0..5).map(view).collect();
    view_cache.put(&views).await.unwrap();
    let mut asked: Vec<JobId> = views.iter().rev().map(|view| view.id).collect();
    asked.insert(2, JobId::new());
    let mut expected: Vec<Option<JobView>> = views.iter().rev().cloned().map(Some).collect();
    expected.insert(2, None);
    assert_eq!(view_cache.get(&tenant(), &asked).await.unwrap(), expected);
}

async fn the_newest_rank_stays_in_any_order_of_writes(view_cache: &dyn ViewCache) {
    let rank = |version, fence, sequence| Rank { version, fence, sequence };
    // Each rank is higher than all before it.
    let ladder = [
        rank(1, 9, 9),
        rank(2, 0, 0),
        rank(2, 0, 10),
        rank(2, 1, 0),
        rank(2, 10, 9),
        rank(10, 0, 0),
    ];
    let first = view(1);
    for (step, newest) in ladder.iter().enumerate() {
        for older in &ladder[..step] {
            view_cache.put(&[later(&first, *older)]).await.unwrap();
        }
        view_cache.put(&[later(&first, *newest)]).await.unwrap();
        for older in &ladder[..step] {
            view_cache.put(&[later(&first, *older)]).await.unwrap();
        }
        assert_eq!(read_view(view_cache, first.id).await, Some(later(&first, *newest)));
    }
    // Within one batch too, in either order.
    let both = [later(&first, rank(12, 0, 0)), later(&first, rank(11, 0, 0))];
    view_cache.put(&both).await.unwrap();
    assert_eq!(read_view(view_cache, first.id).await.as_ref(), Some(&both[0]));
}

async fn two_concurrent_writers_leave_the_newer_view(view_cache: &dyn ViewCache) {
    let first = view(0);
    let evens: Vec<JobView> =
        (1..=50).map(|step| later(&first, Rank { version: 2 * step, ..Rank::default() })).collect();
    let odds: Vec<JobView> = (1..=50)
        .map(|step| later(&first, Rank { version: 2 * step - 1, ..Rank::default() }))
        .collect();
    let write = async |views: &[JobView]| {
        for view in views {
            view_cache.put(std::slice::from_ref(view)).await.unwrap();
        }
    };
    tokio::join!(write(&evens), write(&odds));
    assert_eq!(read_view(view_cache, first.id).await.unwrap().rank.version, 100);
}

async fn a_view_is_visible_only_to_its_tenant(view_cache: &dyn ViewCache) {
    let mine = view(1);
    let other = TenantId("other".to_owned());
    view_cache.put(std::slice::from_ref(&mine)).await.unwrap();
    assert_eq!(view_cache.get(&other, &[mine.id]).await.unwrap(), [None]);
    view_cache.forget(&other, &[mine.id]).await.unwrap();
    assert_eq!(read_view(view_cache, mine.id).await, Some(mine.clone()));
    let hostile = JobView { tenant: TenantId("a b\r\nFLUSHALL\r\n:*".to_owned()), ..view(1) };
    view_cache.put(std::slice::from_ref(&hostile)).await.unwrap();
    assert_eq!(view_cache.get(&hostile.tenant, &[hostile.id]).await.unwrap(), [Some(hostile)]);
    assert_eq!(read_view(view_cache, mine.id).await, Some(mine));
}

async fn a_forgotten_view_is_gone_and_may_be_put_again(view_cache: &dyn ViewCache) {
    let done = finished(&view(5));
    let kept = view(1);
    view_cache.put(&[done.clone(), kept.clone()]).await.unwrap();
    view_cache.forget(&tenant(), &[done.id, JobId::new()]).await.unwrap();
    assert_eq!(read_view(view_cache, done.id).await, None);
    assert_eq!(read_view(view_cache, kept.id).await, Some(kept));
    let older = JobView { rank: Rank::default(), ..done.clone() };
    view_cache.put(std::slice::from_ref(&older)).await.unwrap();
    assert_eq!(read_view(view_cache, done.id).await, Some(older));
}

async fn a_live_view_expires_unless_renewed_and_a_final_one_stays(view_cache: &dyn ViewCache) {
    let (left, renewed) = (view(1), view(1));
    let done = finished(&view(1));
    view_cache.put(&[left.clone(), renewed.clone(), done.clone()]).await.unwrap();
    let put_at = Instant::now();
    while read_view(view_cache, left.id).await.is_some() {
        assert!(put_at.elapsed() < BOUND, "a live view does not expire");
        view_cache.put(std::slice::from_ref(&renewed)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(put_at.elapsed() >= LIVE_VIEW_TTL, "{:?}", put_at.elapsed());
    assert_eq!(read_view(view_cache, renewed.id).await, Some(renewed));
    assert_eq!(read_view(view_cache, done.id).await, Some(done));
}

async fn a_large_batch_and_a_large_view_pass(view_cache: &dyn ViewCache) {
    let views: Vec<JobView> = (0..1_234).map(view).collect();
    view_cache.put(&views).await.unwrap();
    let ids: Vec<JobId> = views.iter().map(|view| view.id).collect();
    assert_eq!(
        view_cache.get(&tenant(), &ids).await.unwrap().into_iter().flatten().collect::<Vec<_>>(),
        views
    );
    let words: Vec<String> = (0..100_000).map(|index| format!("word {index}")).collect();
    let large = JobView { result: Some(json!(words)), ..finished(&view(1)) };
    view_cache.put(std::slice::from_ref(&large)).await.unwrap();
    assert_eq!(read_view(view_cache, large.id).await, Some(large));
}

async fn empty_puts_gets_and_forgets_succeed(view_cache: &dyn ViewCache) {
    view_cache.put(&[]).await.unwrap();
    assert_eq!(view_cache.get(&tenant(), &[]).await.unwrap(), []);
    view_cache.forget(&tenant(), &[]).await.unwrap();
}

async fn a_healthy_view_cache_passes_its_check(view_cache: &dyn ViewCache) {
    view_cache.check().await.unwrap();
}
