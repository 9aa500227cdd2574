package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lsat/study"
)

// reliability has a panel for every row: the share that was liked against the probability that was given.
func (s *Summary) reliability(rows []study.Reliability) figure {
	var charts []chart
	for i, row := range s.Rows {
		at := slices.IndexFunc(rows, func(r study.Reliability) bool { return r.Strategy == row.Name })
		if at < 0 {
			continue
		}
		c := chart{Width: 230, Height: 250, Left: 34, Right: 222, Top: 12, Bottom: 200, Title: row.Name}
		c.Label = "Reliability of " + row.Name
		c.XText = "predicted"
		if len(charts) == 0 {
			c.YText = "observed"
		}
		x, y := axis{0, 1, c.Left, c.Right, .25}, axis{0, 1, c.Bottom, c.Top, .25}
		c.X, c.Y = x.ticks(), y.ticks()
		c.Rules = []rule{{x.at(0), y.at(0), x.at(1), y.at(1), "as predicted"}}
		l := plotLine{Name: row.Name, Class: class(i)}
		for _, b := range rows[at].Bins {
			m := mark{X: x.at(b.Predicted), Y: y.at(b.Observed), Text: fmt.Sprintf("predicted %.3f (%.3f to %.3f), observed %.3f of %d samples",
				b.Predicted, b.Low, b.High, b.Observed, b.Count)}
			l.join(m.X, m.Y)
			l.Marks = append(l.Marks, m)
		}
		c.Lines = []plotLine{l}
		c.Title += fmt.Sprintf(" (ECE %.4f)", rows[at].ECE)
		charts = append(charts, c)
	}
	return figure{
		Title: "Reliability", Charts: charts,
		Note: "The share of likes against the predicted probability, in bins of equally many samples, over all test periods and seeds. Above the diagonal " +
			"more was liked than predicted.",
	}
}

// mergeWeights has a figure for every two-part strategy with a panel for every update: the AUC that each weight of the long-term part gives.
func (s *Summary) mergeWeights(curves []study.WeightCurve) []figure {
	var out []figure
	for _, row := range s.Rows {
		f := figure{
			Title: "Merge weight of " + row.Name,
			Keys:  []key{{"validation part of D_t, which chooses", class(0)}},
		}
		tested := false
		for _, t := range s.Periods {
			var seeds []study.WeightCurve
			for _, c := range curves {
				if c.Strategy == row.Name && c.Period == t {
					seeds = append(seeds, c)
				}
			}
			if c, test, ok := weightPanel(seeds); ok {
				f.Charts = append(f.Charts, c)
				tested = tested || test
			}
		}
		if len(f.Charts) == 0 {
			continue
		}
		f.Note = "AUC against the weight of the long-term part; upright lines are the weights that served."
		if tested {
			f.Keys = append(f.Keys, key{"test period, which nothing is chosen on", class(1)})
		} else {
			f.Note += " Of fused adapters only the chosen one scores the test period."
		}
		out = append(out, f)
	}
	return out
}

// weightPanel plots one update's curves, averaged over seeds. test says whether the test period's is among them.
func weightPanel(seeds []study.WeightCurve) (c chart, test, ok bool) {
	if len(seeds) == 0 {
		return c, false, false
	}
	c = chart{Width: 270, Height: 230, Left: 44, Right: 262, Top: 12, Bottom: 180}
	c.Title = fmt.Sprintf("updated with D%d, on D%d", seeds[0].Update, seeds[0].Period)
	c.Label = "AUC against merge weight, " + c.Title
	c.XText = "weight of the long-term part"
	var valid, tested []float64
	lo, hi := math.Inf(1), math.Inf(-1)
	for k := range seeds[0].Points {
		var v, t []float64
		for _, one := range seeds {
			if k < len(one.Points) {
				v, t = append(v, one.Points[k].ValidAUC), append(t, one.Points[k].TestAUC)
			}
		}
		valid, tested = append(valid, mean(v)), append(tested, mean(t))
		for _, a := range []float64{mean(v), mean(t)} {
			if !math.IsNaN(a) {
				lo, hi = min(lo, a), max(hi, a)
			}
		}
	}
	// Curves that hardly move must look so.
	if least := .005; hi-lo < least {
		lo, hi = (lo+hi-least)/2, (lo+hi+least)/2
	}
	y, ok := newAxis(lo, hi, c.Bottom, c.Top)
	if !ok {
		return c, false, false
	}
	x := axis{0, 1, c.Left, c.Right, .25}
	c.X, c.Y = x.ticks(), y.ticks()
	served := map[float64][]string{}
	for _, one := range seeds {
		served[one.Chosen] = append(served[one.Chosen], fmt.Sprint(one.Seed))
	}
	for _, p := range seeds[0].Points {
		if who := served[p.Weight]; who != nil {
			c.Rules = append(c.Rules, rule{x.at(p.Weight), c.Bottom, x.at(p.Weight), c.Top,
				fmt.Sprintf("%.1f served (seed %s)", p.Weight, strings.Join(who, ", "))})
		}
	}
	for i, side := range []struct {
		name string
		aucs []float64
	}{{"validation", valid}, {"test", tested}} {
		l := plotLine{Name: side.name, Class: class(i)}
		for k, a := range side.aucs {
			if math.IsNaN(a) {
				continue
			}
			w := seeds[0].Points[k].Weight
			l.join(x.at(w), y.at(a))
			l.Marks = append(l.Marks, mark{X: x.at(w), Y: y.at(a), Text: fmt.Sprintf("weight %.1f: %s AUC %.4f", w, side.name, a)})
		}
		if l.Marks != nil {
			c.Lines = append(c.Lines, l)
			test = test || i == 1
		}
	}
	return c, test, true
}
