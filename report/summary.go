// Package report turns the results of a study into tables (terminal, Markdown, CSV) and one self-contained HTML page.
package report

import (
	"fmt"
	"math"
	"slices"

	"lsat/metric"
	"lsat/strategy"
	"lsat/study"
)

// Summary is a study's results as a table: one row a strategy or reference, one column a test period.
type Summary struct {
	// CompareTo is the row that all others are compared with.
	CompareTo string
	// Periods are the test periods, ascending.
	Periods []int
	// Seeds is the number of seeds that the strategies' rows are averaged over.
	Seeds int
	Rows  []Row
}

// Row is one row, averaged over seeds. Numbers that do not exist are NaN.
type Row struct {
	Name, About string
	Reference   bool
	// Period holds the AUC of every test period that the row covers.
	Period map[int]metric.Estimate
	// Mean is the mean AUC over the Covered periods.
	Mean    metric.Estimate
	Covered int
	// Pooled is the AUC over the samples of the same periods at once.
	Pooled metric.Estimate
	// UserAUC, LogLoss and ECE are means over the same periods.
	UserAUC, LogLoss, ECE float64
	// Difference is the mean AUC minus that of CompareTo over the Shared periods, 0 of which for CompareTo itself, with DeLong's standard
	// error, and ByUsers the same with that of the bootstrap by users; DifferenceIn is Difference for each period. Holm is the p-value of ByUsers
	// corrected for the number of rows that are compared.
	Difference   metric.Estimate
	ByUsers      metric.Estimate
	Shared       int
	DifferenceIn map[int]metric.Estimate
	Holm         float64
	// Weight is the long-term part's, chosen on validation, of every period that has one.
	Weight map[int]float64
	// Coefficients are a stack's, of every period.
	Coefficients map[int][]study.Coefficient
}

// Summarize makes the table. A row's standard error over seeds is that of one seed, which all seeds share since they are tested on the same
// samples, plus what the seeds themselves differ by: sqrt(mean(se²) + var/seeds). Over periods, which are disjoint, it is sqrt(sum se²)/n.
func Summarize(r *study.Results) (*Summary, error) {
	s := &Summary{CompareTo: r.Run.CompareTo, Seeds: len(r.Run.Config.Seeds)}
	cells := map[string][]study.Cell{}
	for _, c := range r.Cells {
		cells[c.Strategy] = append(cells[c.Strategy], c)
		if !slices.Contains(s.Periods, c.Period) {
			s.Periods = append(s.Periods, c.Period)
		}
	}
	slices.Sort(s.Periods)
	versus := map[string][]study.Comparison{}
	for _, c := range r.Comparisons {
		versus[c.Strategy] = append(versus[c.Strategy], c)
	}
	c := r.Run.Config
	for _, name := range slices.Concat(c.Strategies, c.References) {
		if len(cells[name]) == 0 {
			continue // the study is not complete yet
		}
		row, err := summarizeRow(name, cells[name], versus[name])
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", name, err)
		}
		row.About = about(name, c)
		var pooled []metric.Estimate
		for _, p := range r.Curves.Pooled {
			if p.Strategy == name {
				pooled = append(pooled, p.AUC)
			}
		}
		row.Pooled = overSeeds(pooled)
		s.Rows = append(s.Rows, row)
	}
	return s, s.correct()
}

func summarizeRow(name string, cells []study.Cell, versus []study.Comparison) (Row, error) {
	row := Row{Name: name, Reference: cells[0].Reference, Period: map[int]metric.Estimate{}, DifferenceIn: map[int]metric.Estimate{}, Holm: math.NaN(),
		Weight: map[int]float64{}, Coefficients: map[int][]study.Coefficient{}}
	bySeed, byPeriod := map[uint64][]metric.Estimate{}, map[int][]metric.Estimate{}
	var users, losses, eces []float64
	weights, stacks := map[int][]float64{}, map[int][][]study.Coefficient{}
	for _, c := range cells {
		bySeed[c.Seed] = append(bySeed[c.Seed], c.AUC)
		byPeriod[c.Period] = append(byPeriod[c.Period], c.AUC)
		if !math.IsNaN(c.Weight) {
			weights[c.Period] = append(weights[c.Period], c.Weight)
		}
		if c.Coefficients != nil {
			stacks[c.Period] = append(stacks[c.Period], c.Coefficients)
		}
		users, losses, eces = append(users, c.UserAUC), append(losses, c.LogLoss), append(eces, c.ECE)
	}
	for p, w := range weights {
		row.Weight[p] = mean(w)
	}
	for p, cs := range stacks {
		row.Coefficients[p] = meanCoefficients(cs)
	}
	for p, e := range byPeriod {
		row.Period[p] = overSeeds(e)
	}
	var means []metric.Estimate
	for _, e := range bySeed {
		if len(e) != len(byPeriod) {
			continue // this seed is not complete yet
		}
		m, err := metric.Mean(e)
		if err != nil {
			return row, err
		}
		means = append(means, m)
	}
	// The map's order must not decide the last digit of a sum.
	slices.SortFunc(means, func(a, b metric.Estimate) int { return compareEstimates(a, b) })
	row.Mean, row.Covered = overSeeds(means), len(byPeriod)
	row.UserAUC, row.LogLoss, row.ECE = mean(users), mean(losses), mean(eces)
	in := map[int][]metric.Estimate{}
	var byUsers []metric.Estimate
	for _, c := range versus {
		in[c.Period] = append(in[c.Period], metric.Estimate{Value: c.Difference, SE: c.SE})
		if c.Period < 0 {
			row.Shared = max(row.Shared, c.Periods)
			byUsers = append(byUsers, metric.Estimate{Value: c.Difference, SE: c.UserSE})
		}
	}
	for p, e := range in {
		if p < 0 {
			row.Difference, row.ByUsers = overSeeds(e), overSeeds(byUsers)
			continue
		}
		row.DifferenceIn[p] = overSeeds(e)
	}
	return row, nil
}

func compareEstimates(a, b metric.Estimate) int {
	if a.Value != b.Value {
		if a.Value < b.Value {
			return -1
		}
		return 1
	}
	if a.SE != b.SE {
		if a.SE < b.SE {
			return -1
		}
		return 1
	}
	return 0
}

// overSeeds is the mean over seeds with the standard error that Summarize states.
func overSeeds(parts []metric.Estimate) metric.Estimate {
	n := float64(len(parts))
	if n == 0 {
		return metric.Estimate{Value: math.NaN(), SE: math.NaN()}
	}
	var value, within, between float64
	for _, p := range parts {
		value += p.Value / n
		within += p.SE * p.SE / n
	}
	if n > 1 {
		for _, p := range parts {
			between += (p.Value - value) * (p.Value - value) / (n - 1)
		}
	}
	return metric.Estimate{Value: value, SE: math.Sqrt(within + between/n)}
}

// mean is the mean of what is a number.
func mean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// correct applies Holm's correction over all rows that are compared.
func (s *Summary) correct() error {
	var p []float64
	var at []int
	for i, r := range s.Rows {
		if r.Shared > 0 {
			p, at = append(p, r.ByUsers.P()), append(at, i)
		}
	}
	if len(p) == 0 {
		return nil
	}
	corrected, err := metric.Holm(p)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for k, i := range at {
		s.Rows[i].Holm = corrected[k]
	}
	return nil
}

// about defines a row in one sentence.
func about(name string, c study.Config) string {
	if st, err := strategy.New(name, strategy.Options{First: c.Periods.First - 1, LongPeriods: c.LongPeriods}); err == nil {
		return st.About()
	}
	return study.AboutReference(name)
}

// meanCoefficients averages the coefficients of stacks of the same parts. A seed without a gate has 0 for what a gate adds.
func meanCoefficients(seeds [][]study.Coefficient) []study.Coefficient {
	var out []study.Coefficient
	for _, cs := range seeds {
		if len(cs) > len(out) {
			out = slices.Clone(cs)
		}
	}
	for i := range out {
		out[i].Value = 0
		for _, cs := range seeds {
			for _, c := range cs {
				if c.Part == out[i].Part && c.By == out[i].By {
					out[i].Value += c.Value / float64(len(seeds))
				}
			}
		}
	}
	return out
}
