import type { SQLInputValue, StatementSync } from "node:sqlite";

/** The row, or the rows, of a statement whose columns are named as the fields of the type; a null is an absent field. */
export const rowOf = <Row>(statement: StatementSync, ...values: SQLInputValue[]): Row | undefined => {
  const row = statement.get(...values);
  return row && (withoutNulls(row) as Row);
};

export const rowsOf = <Row>(statement: StatementSync, ...values: SQLInputValue[]): readonly Row[] =>
  statement.all(...values).map((row) => withoutNulls(row) as Row);

function withoutNulls(row: Record<string, unknown>): unknown {
  for (const [field, value] of Object.entries(row)) if (value === null) delete row[field];
  // The driver's rows have no prototype; what leaves the engine is an object like any other.
  return { ...row };
}
