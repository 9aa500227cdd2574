package study

import (
	"math"

	"lsat/internal/logistic"
	"lsat/metric"
)

// gatePenalty draws what a gate adds to a coefficient towards 0. It is ten times stackPenalty, since a gate has three times as many numbers to fit.
const gatePenalty = 100

// gateNames are the features that the coefficients of a gated stack vary with:
//
//	item count     log(1 + ratings of the item before the sample's period began)
//	pause          log(1 + seconds since the user's last rating)
//	disagreement   |log-odds of the long-term - of the short-term adapter|
//
// All are known when the sample is scored, and none is made of a label.
var gateNames = [...]string{"item count", "pause", "disagreement"}

// gateReach bounds a standardised feature, so that a sample unlike all that was fitted on is not scored by a gate nobody has seen.
const gateReach = 3

// gate standardises features as they were in what it is fitted on.
type gate struct{ mean, sd [len(gateNames)]float64 }

// newGate measures the features of the rows.
func newGate(rows stacked) gate {
	var g gate
	n := float64(len(rows.labels))
	for i := range rows.labels {
		for k, v := range rows.features(i) {
			g.mean[k] += v / n
		}
	}
	for i := range rows.labels {
		for k, v := range rows.features(i) {
			g.sd[k] += (v - g.mean[k]) * (v - g.mean[k]) / n
		}
	}
	for k, v := range g.sd {
		if g.sd[k] = math.Sqrt(v); g.sd[k] <= 1e-9*(1+math.Abs(g.mean[k])) {
			g.sd[k] = 1 // it never varied: it is 0 wherever it is as it was
		}
	}
	return g
}

// fitGated fits a stack of the named columns to what served past periods, oldest first, with a gate where the past speaks for one: where a gate
// that was fitted on all periods but the newest had a lower log-loss on the newest than the plain stack had. Fewer than two periods do not speak.
func fitGated(past []stacked, names []string) (stackModel, error) {
	all := joined(past)
	if len(past) < 2 {
		return fitStack(all, names, false)
	}
	before, newest := joined(past[:len(past)-1]), past[len(past)-1]
	var loss [2]float64
	for k, gated := range []bool{false, true} {
		m, err := fitStack(before, names, gated)
		if err != nil {
			return m, err
		}
		if loss[k], err = metric.LogLoss(m.score(newest), newest.labels); err != nil {
			return m, err
		}
	}
	return fitStack(all, names, loss[1] < loss[0])
}

// open returns the rows with a column more for every column and feature: their product. A coefficient w_j thus becomes w_j + sum_k v_jk f_k.
func (g gate) open(rows stacked) stacked {
	out := stacked{width: rows.width * (1 + len(gateNames)), labels: rows.labels, x: make([]float64, 0, len(rows.x)*(1+len(gateNames)))}
	for i := range rows.labels {
		row := rows.x[i*rows.width : (i+1)*rows.width]
		out.x = append(out.x, row...)
		for k, v := range rows.features(i) {
			f := max(-gateReach, min(gateReach, (v-g.mean[k])/g.sd[k]))
			for _, x := range row {
				out.x = append(out.x, x*f)
			}
		}
	}
	return out
}

// stackPenalties are those of a stack of that many columns, and of its gate where it has one.
func stackPenalties(columns int, gated bool) []logistic.Penalty {
	out := make([]logistic.Penalty, columns)
	for i := range out {
		out[i].Strength = stackPenalty
	}
	out[1].Center = 1
	if gated {
		for range columns * len(gateNames) {
			out = append(out, logistic.Penalty{Strength: gatePenalty})
		}
	}
	return out
}

// coefficients name the weights of opened rows.
func (g gate) coefficients(parts []string, w []float64) []Coefficient {
	out := make([]Coefficient, 0, len(w))
	for i, name := range parts {
		out = append(out, Coefficient{Part: name, Value: w[i]})
	}
	for k, feature := range gateNames {
		for i, name := range parts {
			out = append(out, Coefficient{Part: name, Value: w[(k+1)*len(parts)+i], By: feature, Mean: g.mean[k], SD: g.sd[k]})
		}
	}
	return out
}

// gateFeatures are the features of a list's samples, given the two adapters' log-odds.
func (x *executor) gateFeatures(list *sampleList, long, short []float64) []float64 {
	s := x.in.Stream
	out := make([]float64, 0, list.size*len(gateNames))
	for n, i := range list.samples() {
		count := x.ratedBefore(periodOf(s, i))[s.Item(i)]
		pause := 0.0
		if h := s.History(i); len(h) > 0 {
			events := s.Set.Interactions
			pause = float64(events[s.Samples[i].Event].Time - events[h[len(h)-1]].Time)
		}
		out = append(out, math.Log1p(float64(count)), math.Log1p(pause), math.Abs(long[n]-short[n]))
	}
	return out
}

// ratedBefore counts every item's ratings before a period's first sample.
func (x *executor) ratedBefore(p int) []int32 {
	if c, ok := x.rated[p]; ok {
		return c
	}
	s := x.in.Stream
	c := make([]int32, len(s.Set.Items))
	for _, e := range s.Set.Interactions[:s.Samples[s.Periods[p].All.Lo].Event] {
		c[e.Item]++
	}
	x.rated[p] = c
	return c
}
