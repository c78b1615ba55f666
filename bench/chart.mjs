const BAR = 26
const LABELS = 90
const WIDTH = 640

/** A bar chart as SVG. @param {{ title: string, bars: readonly { name: string, value: number }[] }} chart */
export function barChart({ title, bars }) {
  const known = bars.filter(({ value }) => Number.isFinite(value))
  const most = Math.max(1, ...known.map(({ value }) => value))
  const height = 40 + known.length * BAR
  const lines = known.map(({ name, value }, i) => {
    const y = 34 + i * BAR
    const width = (value / most) * (WIDTH - LABELS - 80)
    return (
      `<text x="${LABELS - 8}" y="${y + 14}" text-anchor="end">${name}</text>` +
      `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 8}" fill="#4878a8"/>` +
      `<text x="${(LABELS + width + 6).toFixed(1)}" y="${y + 14}">${Math.round(value)}</text>`
    )
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">` +
    `<text x="8" y="20" font-weight="bold">${title}</text>${lines.join('')}</svg>\n`
  )
}
