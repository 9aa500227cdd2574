package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lsat/metric"
	"lsat/study"
)

// figures are all plots of a run that its results have the numbers for.
func (s *Summary) figures(r *study.Results) []figure {
	figures := []figure{s.perPeriod(), s.everyModel(), s.warmAndCold(r.Curves.Groups), s.warmOnLast(r.Curves.Groups), s.reliability(r.Curves.Reliability)}
	figures = append(figures, s.mergeWeights(r.Curves.Weights)...)
	return slices.DeleteFunc(figures, func(f figure) bool { return len(f.Charts) == 0 })
}

// wide is the frame of a chart with a legend beside it.
func wide() chart { return chart{Width: 960, Height: 420, Left: 60, Right: 720, Top: 20, Bottom: 380} }

// drawn is the interval of an AUC as far as an AUC can go.
func drawn(e metric.Estimate) (low, high float64) {
	low, high = e.Interval(level)
	return max(0, low), min(1, high)
}

// span is what the intervals of the estimates reach over.
func span(estimates ...metric.Estimate) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, e := range estimates {
		if low, high := drawn(e); low <= high {
			lo, hi = min(lo, low), max(hi, high)
		}
	}
	return lo, hi
}

func interval(e metric.Estimate) string {
	low, high := e.Interval(level)
	return fmt.Sprintf("%.4f [%.4f, %.4f]", e.Value, low, high)
}

// upright is a mark with its interval in a chart whose values go up.
func upright(y axis, x float64, e metric.Estimate, text string) mark {
	low, high := drawn(e)
	return mark{X: x, Y: y.at(e.Value), Bar: true, X1: x, X2: x, Y1: y.at(low), Y2: y.at(high), Text: text}
}

// perPeriod is the AUC of every row on every test period (the paper's Figure 5). Rows are shifted a little, so that their intervals do not
// hide each other.
func (s *Summary) perPeriod() figure {
	c := wide()
	c.Label = "AUC of every strategy on every test period, with 95% intervals"
	var all []metric.Estimate
	for _, r := range s.Rows {
		for _, e := range r.Period {
			all = append(all, e)
		}
	}
	lo, hi := span(all...)
	y, ok := newAxis(lo, hi, c.Bottom, c.Top)
	if !ok {
		return figure{}
	}
	width := (c.Right - c.Left) / float64(len(s.Periods))
	c.Y = y.ticks()
	for k, t := range s.Periods {
		c.X = append(c.X, tick{c.Left + width*(float64(k)+.5), fmt.Sprintf("D%d", t)})
	}
	for i, r := range s.Rows {
		l := plotLine{Name: r.Name, Class: class(i), Dashed: r.Reference, LegendY: c.legend(i)}
		shift := (float64(i)+.5)/float64(len(s.Rows)) - .5
		for k, t := range s.Periods {
			e, ok := r.Period[t]
			if !ok {
				continue
			}
			m := upright(y, c.X[k].At+width*.6*shift, e, fmt.Sprintf("%s on D%d: %s", r.Name, t, interval(e)))
			m.Hollow = i >= colors // a color that comes a second time
			l.join(m.X, m.Y)
			l.Marks = append(l.Marks, m)
		}
		c.Lines = append(c.Lines, l)
	}
	c.Height = max(c.Height, int(c.Top)+20*len(s.Rows)+20)
	return figure{Title: "AUC per test period", Charts: []chart{c}}
}

// everyModel is the short-term adapter of every period on the last test period (the paper's Figure 2): how a model ages. It takes the rows
// short and short-old-K; what else serves there for comparison is drawn across.
func (s *Summary) everyModel() figure {
	if len(s.Periods) == 0 {
		return figure{}
	}
	last := s.Periods[len(s.Periods)-1]
	models := map[int]metric.Estimate{} // by the period that they were trained on
	across := map[string]metric.Estimate{}
	var all []metric.Estimate
	for _, r := range s.Rows {
		e, ok := r.Period[last]
		if !ok {
			continue
		}
		age, old := strings.CutPrefix(r.Name, "short-old-")
		k, err := strconv.Atoi(age)
		switch {
		case old && err == nil:
			models[last-1-k] = e
		case r.Name == "short":
			models[last-1] = e
		case r.Name == "long" || r.Name == s.CompareTo:
			across[r.Name] = e
		default:
			continue
		}
		all = append(all, e)
	}
	lo, hi := span(all...)
	c := wide()
	y, ok := newAxis(lo, hi, c.Bottom, c.Top)
	if len(models) < 2 || !ok {
		return figure{}
	}
	c.Label = fmt.Sprintf("AUC on D%d of the short-term adapter of every period", last)
	c.XText = "the one period that the adapter was trained on"
	c.Y = y.ticks()
	first := last
	for t := range models {
		first = min(first, t)
	}
	width := (c.Right - c.Left) / float64(last-first)
	l := plotLine{Name: "short-term adapter", Class: class(0), LegendY: c.legend(0)}
	for t := first; t < last; t++ {
		x := c.Left + width*(float64(t-first)+.5)
		c.X = append(c.X, tick{x, fmt.Sprintf("D%d", t)})
		if e, ok := models[t]; ok {
			l.join(x, y.at(e.Value))
			l.Marks = append(l.Marks, upright(y, x, e, fmt.Sprintf("trained on D%d: %s on D%d", t, interval(e), last)))
		}
	}
	c.Lines = append(c.Lines, l)
	for _, r := range s.Rows {
		if e, ok := across[r.Name]; ok {
			i := len(c.Lines)
			l := plotLine{Name: r.Name, Class: class(i), Dashed: true, LegendY: c.legend(i), Text: fmt.Sprintf("%s on D%d: %s", r.Name, last, interval(e))}
			l.join(c.Left, y.at(e.Value))
			l.join(c.Right, y.at(e.Value))
			c.Lines = append(c.Lines, l)
		}
	}
	return figure{
		Title: fmt.Sprintf("Every period's model on D%d", last), Charts: []chart{c},
		Note: "How a model ages: the adapters of short and short-old-K, all on the same last test period, with 95% intervals.",
	}
}
