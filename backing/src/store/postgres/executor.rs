//! Makes a pool an sqlx executor: each statement takes a connection, and returns it after the
//! reply.

use futures::{
    FutureExt, StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream,
};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{pool::Pool, session::Unnamed};

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    /// The whole reply is read before the first row is given. Replies here are bounded, and so no
    /// caller keeps a connection while it looks at rows.
    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let all = async move {
            let mut connection = pool.acquire().await?;
            let replies = match pool.prepares() {
                true => connection.sql().fetch_many(query),
                false => connection.sql().fetch_many(Unnamed(query)),
            };
            let answer: sqlx::Result<Vec<_>> = replies.try_collect().await;
            connection.release(answer).await
        };
        all.map_ok(|all| stream::iter(all).map(Ok)).try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        async move {
            let mut connection = pool.acquire().await?;
            let reply = match pool.prepares() {
                true => connection.sql().fetch_optional(query),
                false => connection.sql().fetch_optional(Unnamed(query)),
            };
            let answer = reply.await;
            connection.release(answer).await
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move {
            let mut connection = pool.acquire().await?;
            let answer = connection.sql().prepare_with(sql, parameters).await;
            connection.release(answer).await
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move {
            let mut connection = pool.acquire().await?;
            let answer = connection.sql().describe(sql).await;
            connection.release(answer).await
        }
        .boxed()
    }
}
