import type { Database } from 'better-sqlite3';

/**
 * Prepares the removal of what is stored of an exchange's bodies, and of what no other body shares with it. Returns
 * how many bodies were removed. Call the result inside a transaction.
 */
export function preparePayloadRemoval(client: Database): (exchangeSeq: number) => number {
  const find = client.prepare<[number], number>('select node from captures where exchange_seq = ?').pluck();
  const remove = client.prepare<[number]>('delete from captures where exchange_seq = ?');
  const removeNode = client.prepare<[{ seq: number }], { parent: number; piece: number }>(
    `delete from capture_nodes where seq = :seq
       and not exists (select 1 from capture_nodes where parent = :seq)
       and not exists (select 1 from captures where node = :seq)
     returning parent, piece`,
  );
  const removePiece = client.prepare<[{ seq: number }]>(
    `delete from capture_pieces where seq = :seq
       and not exists (select 1 from capture_nodes where piece = :seq)`,
  );

  /** From the end of a path to where another path begins to share it. */
  function prune(node: number): void {
    for (let seq = node; seq !== 0; ) {
      const removed = removeNode.get({ seq });
      if (removed === undefined) return;
      removePiece.run({ seq: removed.piece });
      seq = removed.parent;
    }
  }

  return (exchangeSeq) => {
    const nodes = find.all(exchangeSeq);
    if (nodes.length === 0) return 0;
    remove.run(exchangeSeq);
    for (const node of nodes) prune(node);
    return nodes.length;
  };
}
