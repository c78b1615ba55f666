/** Median of what is there. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/**
 * Tables for people, in Markdown, and the charts' values. A ratio is the median of ratios within the same repetition.
 * @param {readonly any[]} rows @param {readonly string[]} variants
 */
export function tables(rows, variants) {
  const of = (name, phase) => rows.filter(row => row.name === name && row.phase === phase)
  const ratio = (name, phase, figureOf) => {
    const floor = new Map(of('floorp', phase).map(row => [row.repetition, figureOf(row)]))
    return median(
      of(name, phase).flatMap(row =>
        floor.has(row.repetition) ? [figureOf(row) / floor.get(row.repetition)] : [],
      ),
    )
  }
  const columns = {
    'connections/s': row => row.result.conn_s,
    'first byte p50, µs': row => row.result.firstbyte.p50_us,
    'first byte p99, µs': row => row.result.firstbyte.p99_us,
    'daemons’ CPU, s per 1,000': row => (row.daemonSeconds / row.result.n) * 1000,
  }
  const parts = ['one at a time', '64 in flight'].map(phase =>
    table([
      [phase, ...Object.keys(columns).flatMap(name => [name, '÷ floorp']), 'failed', 'over 900 ms'],
      ...variants.map(name => [
        name,
        ...Object.values(columns).flatMap(figureOf => [
          show(median(of(name, phase).map(figureOf))),
          show(ratio(name, phase, figureOf)),
        ]),
        String(sum(of(name, phase), row => row.result.fail)),
        String(sum(of(name, phase), row => row.result.slow_over_900ms)),
      ]),
    ]),
  )
  const sustained = rows.filter(row => row.phase === 'sustained')
  parts.push(
    table([
      [
        'sustained',
        'round',
        'connections',
        'connections/s',
        'failed',
        'over 900 ms',
        'RSS of the daemons, MB',
      ],
      ...sustained.map(({ name, repetition, result, rssMegabytes }) => [
        name,
        ...[repetition, result.n, show(result.conn_s), result.fail, result.slow_over_900ms].map(String),
        rssMegabytes.map(show).join(' and '),
      ]),
    ]),
  )
  return { text: parts.join('\n'), charts: charts(of, variants, columns) }
}

function charts(of, variants, columns) {
  const bars = (phase, figureOf) =>
    variants.map(name => ({ name, value: median(of(name, phase).map(figureOf)) }))
  return [
    {
      name: 'connections',
      title: 'Connections/s, 64 in flight',
      bars: bars('64 in flight', columns['connections/s']),
    },
    {
      name: 'first-byte',
      title: 'First byte, one at a time, p50 in µs',
      bars: bars('one at a time', columns['first byte p50, µs']),
    },
  ]
}

function table([head, ...rows]) {
  const lines = [head, head.map(() => '---'), ...rows]
  return `${lines.map(line => `| ${line.join(' | ')} |`).join('\n')}\n`
}

function sum(rows, figureOf) {
  return rows.reduce((total, row) => total + figureOf(row), 0)
}

function show(value) {
  if (!Number.isFinite(value)) return '-'
  return value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 3)
}
