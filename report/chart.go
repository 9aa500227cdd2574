package report

import (
	"fmt"
	"math"
)

// figure is one or more charts under a heading, with a sentence about what they show.
type figure struct {
	Title, Note string
	// Keys name the colors that all charts share, where a chart has no legend of its own.
	Keys   []key
	Charts []chart
}

type key struct{ Name, Class string }

// chart is a plot as coordinates of an SVG: a frame, ticks, rules and lines of marks.
type chart struct {
	// Title stands above the chart, Label is what a screen reader says.
	Title, Label  string
	Width, Height int
	// Left, Right, Top and Bottom bound the frame.
	Left, Right, Top, Bottom float64
	X, Y                     []tick
	XText, YText             string
	Rules                    []rule
	Lines                    []plotLine
}

type plotLine struct {
	Name, Class string
	// Points is the line through the marks, in an SVG's words; empty where the marks stand alone.
	Points string
	Dashed bool
	// Text says what the line is where it has no marks to say it.
	Text  string
	Marks []mark
	// LegendY is where the line's name stands; 0 where it stands elsewhere.
	LegendY float64
}

// mark is a point with its interval, the line from (X1, Y1) to (X2, Y2) where Bar is set. Text says what it is.
type mark struct {
	X, Y           float64
	Bar            bool
	X1, Y1, X2, Y2 float64
	Hollow         bool
	Text           string
}

// rule is a thin line across the frame that is no data.
type rule struct {
	X1, Y1, X2, Y2 float64
	Text           string
}

type tick struct {
	At   float64
	Text string
}

// colors is how many colors the page has; their classes are c0 to c10.
const colors = 11

func class(i int) string { return fmt.Sprintf("c%d", i%colors) }

// axis maps values from lo … hi to places from … to on the page.
type axis struct {
	lo, hi, from, to, step float64
}

// newAxis is an axis that holds the values and ends at round ones. ok is false where there is nothing to span.
func newAxis(lo, hi, from, to float64) (a axis, ok bool) {
	if !(hi > lo) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return axis{}, false
	}
	step := niceStep(hi - lo)
	return axis{math.Floor(lo/step) * step, math.Ceil(hi/step) * step, from, to, step}, true
}

func (a axis) at(v float64) float64 { return a.from + (v-a.lo)/(a.hi-a.lo)*(a.to-a.from) }

func (a axis) ticks() []tick {
	var out []tick
	for i := 0; a.lo+float64(i)*a.step <= a.hi+a.step/2; i++ {
		v := a.lo + float64(i)*a.step
		if math.Abs(v) < a.step/2 {
			v = 0
		}
		out = append(out, tick{a.at(v), fmt.Sprintf("%.3g", v)})
	}
	return out
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

// join appends a point to a line.
func (l *plotLine) join(x, y float64) { l.Points += fmt.Sprintf("%.1f,%.1f ", x, y) }

// legend is the place of the i-th name beside a chart.
func (c *chart) legend(i int) float64 { return c.Top + 12 + 20*float64(i) }
