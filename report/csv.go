package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"lsat/study"
)

var csvHeader = []string{
	"strategy", "role", "seed", "period", "update_period", "kind", "weight", "valid_auc", "samples", "liked", "auc", "auc_low", "auc_high",
	"user_auc", "log_loss", "ece", "compared_to", "difference", "difference_low", "difference_high", "p",
	"user_low", "user_high", "user_p",
}

// CSV writes one line for every strategy, seed and test period, and two lines for every strategy with seed "all" and period "mean" or "pooled". Numbers have
// all their digits; what does not exist is empty.
func CSV(w io.Writer, r *study.Results) error {
	s, err := Summarize(r)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	lines := [][]string{csvHeader}
	for _, row := range s.Rows {
		lines = append(lines, cellLines(r, row.Name)...)
		lines = append(lines, meanLine(s, row), pooledLine(row))
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func cellLines(r *study.Results, name string) [][]string {
	var cells []study.Cell
	for _, c := range r.Cells {
		if c.Strategy == name {
			cells = append(cells, c)
		}
	}
	slices.SortStableFunc(cells, func(a, b study.Cell) int {
		if a.Period != b.Period {
			return a.Period - b.Period
		}
		return slices.Index(r.Run.Config.Seeds, a.Seed) - slices.Index(r.Run.Config.Seeds, b.Seed)
	})
	var lines [][]string
	for _, c := range cells {
		seed := strconv.FormatUint(c.Seed, 10)
		if c.Reference {
			seed = ""
		}
		low, high := c.AUC.Interval(level)
		line := []string{
			c.Strategy, role(c.Reference), seed, strconv.Itoa(c.Period), strconv.Itoa(c.Update), c.Kind, full(c.Weight), full(c.ValidAUC),
			strconv.Itoa(c.Samples), strconv.Itoa(c.Liked), full(c.AUC.Value), full(low), full(high), full(c.UserAUC), full(c.LogLoss), full(c.ECE),
		}
		lines = append(lines, append(line, versus(r, c)...))
	}
	return lines
}

// versus is a cell's comparison. With several seeds a reference has several, which is no one line's; it is left to the mean line.
func versus(r *study.Results, cell study.Cell) []string {
	if !cell.Reference || len(r.Run.Config.Seeds) == 1 {
		for _, c := range r.Comparisons {
			if c.Strategy == cell.Strategy && c.Period == cell.Period && (cell.Reference || c.Seed == cell.Seed) {
				return []string{c.Reference, full(c.Difference), full(c.Low), full(c.High), full(c.P), full(c.UserLow), full(c.UserHigh), full(c.UserP)}
			}
		}
	}
	return make([]string, 8)
}

func meanLine(s *Summary, row Row) []string {
	low, high := row.Mean.Interval(level)
	line := []string{
		row.Name, role(row.Reference), "all", "mean", "", "", "", "", "", "", full(row.Mean.Value), full(low), full(high),
		full(row.UserAUC), full(row.LogLoss), full(row.ECE),
	}
	if row.Shared == 0 {
		return append(line, make([]string, 8)...)
	}
	low, high = row.Difference.Interval(level)
	userLow, userHigh := row.ByUsers.Interval(level)
	return append(line, s.CompareTo, full(row.Difference.Value), full(low), full(high), full(row.Difference.P()),
		full(userLow), full(userHigh), full(row.ByUsers.P()))
}

func pooledLine(row Row) []string {
	low, high := row.Pooled.Interval(level)
	line := make([]string, len(csvHeader))
	copy(line, []string{row.Name, role(row.Reference), "all", "pooled"})
	copy(line[10:], []string{full(row.Pooled.Value), full(low), full(high)})
	return line
}

func role(reference bool) string {
	if reference {
		return "reference"
	}
	return "strategy"
}

func full(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
