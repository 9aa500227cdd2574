package report

import (
	"fmt"
	"math"
)

// plot is the AUC of every period with its interval, as coordinates of an SVG.
type plot struct {
	Width, Height int
	Lines         []plotLine
	X, Y          []tick
}

type plotLine struct {
	Name, Color, Points string
	Dashed              bool
	Marks               []mark
	// LegendY is where the line's name stands.
	LegendY float64
}

// mark is a point with its interval; Text says what it is.
type mark struct {
	X, Y, Low, High float64
	Text            string
}

type tick struct {
	At   float64
	Text string
}

// colors are distinguishable for most readers (Okabe and Ito's palette, then darker ones).
var colors = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor", "#7F3C8D", "#80550F", "#3B6E3B", "#888888"}

const (
	plotLeft, plotRight, plotTop, plotBottom = 60.0, 720.0, 20.0, 380.0
	plotWidth, plotHeight                    = 960, 420
)

// plot lays the summary out. Rows are shifted a little, so that their intervals do not hide each other.
func (s *Summary) plot() plot {
	p := plot{Width: plotWidth, Height: plotHeight}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, r := range s.Rows {
		for _, e := range r.Period {
			low, high := e.Interval(level)
			lowest, highest = min(lowest, low), max(highest, high)
		}
	}
	if len(s.Periods) == 0 || !(highest > lowest) {
		return p
	}
	step := niceStep(highest - lowest)
	lowest, highest = math.Floor(lowest/step)*step, math.Ceil(highest/step)*step
	y := func(v float64) float64 { return plotBottom - (v-lowest)/(highest-lowest)*(plotBottom-plotTop) }
	width := (plotRight - plotLeft) / float64(len(s.Periods))
	x := func(k, row int) float64 {
		shift := (float64(row)+.5)/float64(len(s.Rows)) - .5
		return plotLeft + width*(float64(k)+.5+.6*shift)
	}
	for i := 0; lowest+float64(i)*step <= highest+step/2; i++ {
		v := lowest + float64(i)*step
		p.Y = append(p.Y, tick{y(v), fmt.Sprintf("%.3g", v)})
	}
	for k, t := range s.Periods {
		p.X = append(p.X, tick{plotLeft + width*(float64(k)+.5), fmt.Sprintf("D%d", t)})
	}
	for i, r := range s.Rows {
		l := plotLine{Name: r.Name, Color: colors[i%len(colors)], Dashed: r.Reference, LegendY: plotTop + 12 + 20*float64(i)}
		for k, t := range s.Periods {
			e, ok := r.Period[t]
			if !ok {
				continue
			}
			low, high := e.Interval(level)
			m := mark{x(k, i), y(e.Value), y(low), y(high), fmt.Sprintf("%s on D%d: %.4f [%.4f, %.4f]", r.Name, t, e.Value, low, high)}
			l.Marks = append(l.Marks, m)
			l.Points += fmt.Sprintf("%.1f,%.1f ", m.X, m.Y)
		}
		p.Lines = append(p.Lines, l)
	}
	p.Height = max(p.Height, int(plotTop)+20*len(s.Rows)+20)
	return p
}

// niceStep is a round step that cuts a span into about six.
func niceStep(span float64) float64 {
	base := math.Pow(10, math.Floor(math.Log10(span/6)))
	for _, m := range []float64{1, 2, 5} {
		if span/(m*base) <= 7 {
			return m * base
		}
	}
	return 10 * base
}
