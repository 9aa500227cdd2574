package report

import (
	"fmt"
	"math"

	"lsat/metric"
	"lsat/study"
)

// grouped is a row's AUC over the samples of one group.
type grouped struct {
	auc              metric.Estimate
	samples, periods int
}

// group averages a row's AUC in a group over the periods that have one, and over seeds. only, if it is not negative, is the one period to look at.
func group(cells []study.GroupCell, name string, g study.Group, only int) (grouped, bool) {
	bySeed, samples := map[uint64][]metric.Estimate{}, map[uint64]int{}
	var seeds []uint64
	var out grouped
	for _, c := range cells {
		if c.Strategy != name || c.Group != g || only >= 0 && c.Period != only || math.IsNaN(c.AUC.Value) {
			continue
		}
		if bySeed[c.Seed] == nil {
			seeds = append(seeds, c.Seed)
		}
		bySeed[c.Seed] = append(bySeed[c.Seed], c.AUC)
		samples[c.Seed] += c.Samples
		out.periods = max(out.periods, len(bySeed[c.Seed]))
	}
	var means []metric.Estimate
	for _, seed := range seeds {
		if len(bySeed[seed]) < out.periods {
			continue // this seed is not complete yet
		}
		if m, err := metric.Mean(bySeed[seed]); err == nil {
			means, out.samples = append(means, m), samples[seed]
		}
	}
	out.auc = overSeeds(means)
	return out, len(means) > 0
}

// dots is a chart with a line for every row, and a mark for every group that the row has a number of.
func (s *Summary) dots(cells []study.GroupCell, groups []study.Group, only int) (chart, bool) {
	c := chart{Width: 960, Left: 190, Right: 720, Top: 20}
	c.Bottom = c.Top + 26*float64(len(s.Rows))
	c.Height = int(c.Bottom) + 40
	var all []metric.Estimate
	found := map[string]grouped{}
	for _, r := range s.Rows {
		for _, g := range groups {
			if v, ok := group(cells, r.Name, g, only); ok {
				found[r.Name+"/"+string(g)] = v
				all = append(all, v.auc)
			}
		}
	}
	lo, hi := span(all...)
	x, ok := newAxis(lo, hi, c.Left, c.Right)
	if !ok {
		return c, false
	}
	c.X = x.ticks()
	for i, r := range s.Rows {
		c.Y = append(c.Y, tick{c.Top + 26*(float64(i)+.5), r.Name})
	}
	for k, g := range groups {
		l := plotLine{Name: string(g) + " items", Class: class(k), LegendY: c.legend(k)}
		for i, r := range s.Rows {
			v, ok := found[r.Name+"/"+string(g)]
			if !ok {
				continue
			}
			low, high := drawn(v.auc)
			y := c.Y[i].At + 8*(float64(k)-float64(len(groups)-1)/2)
			over := ""
			if only < 0 {
				over = fmt.Sprintf(", mean over %d periods", v.periods)
			}
			l.Marks = append(l.Marks, mark{X: x.at(v.auc.Value), Y: y, Bar: true, X1: x.at(low), X2: x.at(high), Y1: y, Y2: y, Hollow: k > 0,
				Text: fmt.Sprintf("%s, %s items: %s; %d samples%s", r.Name, g, interval(v.auc), v.samples, over)})
		}
		c.Lines = append(c.Lines, l)
	}
	return c, true
}

// warmAndCold is the paper's Figure 3: items that the long-term adapter's periods have seen, and items that are new since.
func (s *Summary) warmAndCold(cells []study.GroupCell) figure {
	c, ok := s.dots(cells, []study.Group{study.Warm, study.Cold}, -1)
	if !ok {
		return figure{}
	}
	c.Label = "AUC of every strategy on warm and on cold items, with 95% intervals"
	c.XText = "AUC"
	warm, cold := 0, 0
	for _, r := range s.Rows { // the row that covers most says how many there are
		n := map[study.Group]int{}
		for _, g := range cells {
			if g.Strategy == r.Name && (g.Reference || g.Seed == s.firstSeed(cells, r.Name)) {
				n[g.Group] += g.Samples
			}
		}
		if n[study.Warm]+n[study.Cold] > warm+cold {
			warm, cold = n[study.Warm], n[study.Cold]
		}
	}
	return figure{
		Title: "Warm and cold items", Charts: []chart{c},
		Note: fmt.Sprintf("An item is warm where the periods of the long-term adapter have a sample of it (%d tested samples) and cold where it is new since (%d). "+
			"Means over the test periods in which a group has two samples of either class.", warm, cold),
	}
}

// firstSeed is the first seed that a row has cells of.
func (s *Summary) firstSeed(cells []study.GroupCell, name string) uint64 {
	for _, c := range cells {
		if c.Strategy == name {
			return c.Seed
		}
	}
	return 0
}

// warmOnLast is the paper's Figure 4: warm items on the last test period.
func (s *Summary) warmOnLast(cells []study.GroupCell) figure {
	if len(s.Periods) == 0 {
		return figure{}
	}
	last := s.Periods[len(s.Periods)-1]
	c, ok := s.dots(cells, []study.Group{study.Warm}, last)
	if !ok {
		return figure{}
	}
	c.Label = fmt.Sprintf("AUC of every strategy on the warm items of D%d, with 95%% intervals", last)
	c.XText = "AUC"
	return figure{Title: fmt.Sprintf("Warm items on D%d", last), Charts: []chart{c}}
}
