import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";

/** The row, or the rows, of a statement whose columns are named as the fields of the type; a null is an absent field. */
export const rowOf = <Row>(statement: StatementSync, ...values: SQLInputValue[]): Row | undefined => {
  const row = statement.get(...values);
  return row && (withoutNulls(row) as Row);
};

export const rowsOf = <Row>(statement: StatementSync, ...values: SQLInputValue[]): readonly Row[] =>
  statement.all(...values).map((row) => withoutNulls(row) as Row);

/**
 * Prepares a statement whose rows are read as tuples of its columns, one after the other, as they are needed: an object for
 * each row would cost as much as the row.
 */
export function prepareTuples<Row extends readonly SQLOutputValue[]>(
  db: DatabaseSync,
  sql: string,
): (...values: SQLInputValue[]) => Iterable<Row> {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  // The driver's types know of rows as objects only; which columns there are is in the statement beside the type.
  return (...values) => statement.iterate(...values) as Iterable<unknown> as Iterable<Row>;
}

function withoutNulls(row: Record<string, unknown>): unknown {
  for (const [field, value] of Object.entries(row)) if (value === null) delete row[field];
  // The driver's rows have no prototype; what leaves the engine is an object like any other.
  return { ...row };
}
