package strategy

import (
	"fmt"
	"strings"
)

// Part is a part of a period.
type Part int

// The parts of a period.
const (
	Train Part = iota
	Valid
)

func (p Part) String() string {
	if p == Valid {
		return "valid"
	}
	return "train"
}

// Piece names one part of one period.
type Piece struct {
	Period int
	Part   Part
}

func (p Piece) String() string { return fmt.Sprintf("D%d.%s", p.Period, p.Part) }

// Job is a training job in terms of periods. Two jobs with the same ID are the same job.
type Job struct {
	// Train is what the adapter learns from: the union of the pieces, oldest first.
	Train []Piece
	// Valid is the period whose validation part decides early stopping and which checkpoint is kept: the newest of the job.
	Valid int
	// Init is the job whose kept adapter this one starts from; nil for a fresh adapter.
	Init *Job
	// Rollback keeps Init's adapter, unchanged, where the trained one is no better on the validation part.
	Rollback bool
	// Update says that the job learns from one new period, and takes the hyper-parameters of updates.
	Update bool
	// Replay adds as many samples again of the train parts of all earlier periods.
	Replay bool
	// OnPrior says that the adapter is trained on top of the prior's log-odds.
	OnPrior bool
}

// ID is a name of the job that determines it, e.g. "D0-D9" or "D0-D9>D10+D9.valid".
func (j *Job) ID() string {
	var b strings.Builder
	if j.Init != nil {
		b.WriteString(j.Init.ID())
		b.WriteString(">")
		if !j.Rollback {
			b.WriteString("!") // a chain that never rolls back is another chain
		}
	}
	for i := 0; i < len(j.Train); {
		if i > 0 {
			b.WriteString("+")
		}
		p := j.Train[i]
		last := i
		for p.Part == Train && last+1 < len(j.Train) && j.Train[last+1] == (Piece{j.Train[last].Period + 1, Train}) {
			last++
		}
		switch {
		case p.Part == Valid:
			fmt.Fprintf(&b, "D%d.valid", p.Period)
		case last > i:
			fmt.Fprintf(&b, "D%d-D%d", p.Period, j.Train[last].Period)
		default:
			fmt.Fprintf(&b, "D%d", p.Period)
		}
		i = last + 1
	}
	if len(j.Train) == 0 || j.Valid != j.Train[len(j.Train)-1].Period {
		fmt.Fprintf(&b, "/D%d", j.Valid)
	}
	if !j.Update && len(j.Train) == 1 {
		b.WriteString("*") // one period under the hyper-parameters of a long job
	}
	if j.Replay {
		b.WriteString("+replay")
	}
	if j.OnPrior {
		b.WriteString("~")
	}
	return b.String()
}

// Newest is the newest period that the job, or one it starts from, looks at.
func (j *Job) Newest() int {
	newest := j.Valid
	for _, p := range j.Train {
		newest = max(newest, p.Period)
	}
	if j.Init != nil {
		newest = max(newest, j.Init.Newest())
	}
	return newest
}

// fresh is a new adapter on the train parts of the periods from..to, with the validation part of the last.
func fresh(from, to int) *Job {
	j := &Job{Valid: to}
	for t := from; t <= to; t++ {
		j.Train = append(j.Train, Piece{t, Train})
	}
	return j
}
