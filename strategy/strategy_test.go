package strategy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// served writes a combination as "kind parts", so that a rule is one line of a table.
func served(t *testing.T, name string, o Options, update int) string {
	t.Helper()
	s, err := New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != name {
		t.Errorf("%s calls itself %s", name, s.Name())
	}
	c, err := s.At(update)
	if err != nil {
		t.Fatal(err)
	}
	if c.Valid != update {
		t.Errorf("%s at %d chooses its weight on period %d", name, update, c.Valid)
	}
	words := []string{string(c.Kind)}
	if c.Gated {
		words = append(words, "gated")
	}
	for _, j := range c.Parts {
		words = append(words, j.ID())
	}
	for _, p := range c.Past {
		words = append(words, "|")
		for _, j := range p.Parts {
			words = append(words, j.ID())
		}
		words = append(words, fmt.Sprintf("on D%d", p.Test))
	}
	return strings.Join(words, " ")
}

func TestRules(t *testing.T) {
	o := Options{First: 10, LongPeriods: 10}
	for _, c := range []struct {
		name   string
		update int
		want   string
	}{
		{"short", 10, "single D10"},
		{"short", 13, "single D13"},
		{"long", 10, "single D0-D9"},
		{"long", 13, "single D0-D9"},
		{"full", 10, "single D0-D10"},
		{"full", 13, "single D0-D13"},
		{"finetune", 9, "single D0-D9"},
		{"finetune", 10, "single D0-D9>D9.valid+D10"},
		{"finetune", 12, "single D0-D9>D9.valid+D10>D10.valid+D11>D11.valid+D12"},
		{"replay", 9, "single D0-D9"},
		{"replay", 11, "single D0-D9>!D10+replay>!D11+replay"},
		{"short-old-3", 13, "single D10"},
		{"short-old-1+prior", 3, "single D2~"},
		{"no-update", 10, "single D10"},
		{"no-update", 13, "single D10"},
		{"in-context", 10, "bare"},
		{"in-context", 13, "bare"},
		{"zero-shot", 13, "bare"},
		{"lsat-ensemble-10", 10, "ensemble D0-D9 D10"},
		{"lsat-ensemble-10", 13, "ensemble D0-D9 D13"},
		{"lsat-ensemble-4", 13, "ensemble D0-D3 D13"},
		{"lsat-ensemble-full", 13, "ensemble D0-D13 D13"},
		{"lsat-ensemble-served", 10, "ensemble D0-D9 D10"},
		{"lsat-ensemble-served", 12, "ensemble D0-D9 D12 | D0-D9 D10 on D11 | D0-D9 D11 on D12"},
		{"lsat-fusion", 13, "fuse-paper D0-D9 D13"},
		{"lsat-fusion-peft", 13, "fuse-peft D0-D9 D13"},
		{"lsat-fusion-exact", 13, "fuse-exact D0-D9 D13"},
		{"lsat-stack", 10, "stack D0-D9 D10"},
		{"lsat-stack", 12, "stack D0-D9 D12 | D0-D9 D10 on D11 | D0-D9 D11 on D12"},
		{"lsat-stack-gated", 12, "stack gated D0-D9 D12 | D0-D9 D10 on D11 | D0-D9 D11 on D12"},
		{"lsat-stack-long", 11, "stack D0-D9 | D0-D9 on D11"},
		{"lsat-stack-short", 11, "stack D11 | D10 on D11"},
		{"short+prior", 13, "single D13~"},
		{"lsat-ensemble-10+prior", 13, "ensemble D0-D9~ D13~"},
		{"finetune+prior", 11, "single D0-D9~>D9.valid+D10~>D10.valid+D11~"},
		{"lsat-stack+prior", 11, "stack D0-D9~ D11~ | D0-D9~ D10~ on D11"},
	} {
		if got := served(t, c.name, o, c.update); got != c.want {
			t.Errorf("%s at %d serves %q, want %q", c.name, c.update, got, c.want)
		}
	}
}

func TestFinetuneLink(t *testing.T) {
	s, err := New("finetune", Options{First: 10, LongPeriods: 10})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.At(11)
	if err != nil {
		t.Fatal(err)
	}
	j := c.Parts[0]
	if want := []Piece{{10, Valid}, {11, Train}}; !slices.Equal(j.Train, want) {
		t.Errorf("trains on %v, want %v", j.Train, want)
	}
	if j.Valid != 11 || !j.Rollback || !j.Update || j.Init == nil {
		t.Errorf("link %+v: want validation on 11, rollback, the hyper-parameters of updates, and a start", j)
	}
	if first := j.Init.Init; first == nil || first.Init != nil || first.Rollback || first.Update || first.Valid != 9 {
		t.Errorf("the chain starts with %+v", first)
	}
}

func TestFinetuneStartsWithTheStudyWhereThatIsEarlier(t *testing.T) {
	if got := served(t, "finetune", Options{First: 2, LongPeriods: 10}, 3); got != "single D0-D2>D2.valid+D3" {
		t.Error(got)
	}
}

// Jobs that are the same must have the same ID, since that is how they are shared; jobs that differ must not.
func TestIDs(t *testing.T) {
	a := &Job{Train: []Piece{{3, Train}}, Valid: 3, Update: true}
	for name, b := range map[string]*Job{
		"long hyper-parameters": {Train: []Piece{{3, Train}}, Valid: 3},
		"another period":        {Train: []Piece{{4, Train}}, Valid: 4, Update: true},
		"another validation":    {Train: []Piece{{3, Train}}, Valid: 4, Update: true},
		"the validation part":   {Train: []Piece{{3, Valid}}, Valid: 3, Update: true},
		"two periods":           {Train: []Piece{{3, Train}, {4, Train}}, Valid: 4, Update: true},
		"a gap":                 {Train: []Piece{{1, Train}, {3, Train}}, Valid: 3, Update: true},
		"a start":               {Train: []Piece{{3, Train}}, Valid: 3, Update: true, Init: a},
		"replay":                {Train: []Piece{{3, Train}}, Valid: 3, Update: true, Replay: true},
		"on top of the prior":   {Train: []Piece{{3, Train}}, Valid: 3, Update: true, OnPrior: true},
		"a start, rolled back":  {Train: []Piece{{3, Train}}, Valid: 3, Update: true, Init: a, Rollback: true},
	} {
		if a.ID() == b.ID() {
			t.Errorf("%s has the ID %q too", name, b.ID())
		}
	}
	if b := shortJob(3); a.ID() != b.ID() {
		t.Errorf("the same job has the IDs %q and %q", a.ID(), b.ID())
	}
}

func TestStrategiesShareJobs(t *testing.T) {
	o := Options{First: 10, LongPeriods: 10}
	ids := map[string]bool{}
	for _, name := range []string{"short", "long", "finetune", "full", "no-update", "lsat-fusion", "lsat-ensemble-10", "lsat-ensemble-full"} {
		s, err := New(name, o)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.At(10)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range c.Jobs() {
			ids[j.ID()] = true
		}
	}
	// The short-term, the long-term and the full adapter, and one link of fine-tuning.
	if len(ids) != 4 {
		t.Errorf("eight strategies need the jobs %v, want 4", ids)
	}
}

func TestNoStrategyLooksAhead(t *testing.T) {
	o := Options{First: 4, LongPeriods: 4}
	for _, name := range append(Names(), "lsat-ensemble-4", "finetune+prior", "lsat-stack+prior") {
		name = strings.TrimSuffix(name, "N")
		if strings.HasSuffix(name, "-") {
			name += "3"
		}
		s, err := New(name, o)
		if err != nil {
			t.Fatal(err)
		}
		if s.About() == "" {
			t.Errorf("%s does not say what it is", name)
		}
		for update := 4; update < 9; update++ {
			c, err := s.At(update)
			if err != nil {
				t.Fatal(err)
			}
			done := map[string]bool{}
			for _, j := range c.Jobs() {
				if j.Newest() > update {
					t.Errorf("%s at %d needs %s, which looks at period %d", name, update, j.ID(), j.Newest())
				}
				if j.Init != nil && !done[j.Init.ID()] {
					t.Errorf("%s at %d: job %s comes before the one it starts from", name, update, j.ID())
				}
				done[j.ID()] = true
				for _, p := range c.Past {
					for _, part := range p.Parts {
						if part.Newest() >= p.Test || p.Test > update {
							t.Errorf("%s at %d fits on %s serving period %d", name, update, part.ID(), p.Test)
						}
					}
				}
				for _, p := range j.Train {
					if p == (Piece{j.Valid, Valid}) {
						t.Errorf("%s at %d: job %s trains on what it validates on", name, update, j.ID())
					}
				}
			}
		}
	}
}

func TestTooEarly(t *testing.T) {
	o := Options{First: 10, LongPeriods: 10}
	for _, name := range []string{"long", "finetune", "replay", "no-update", "lsat-ensemble-10", "lsat-fusion", "lsat-fusion-peft", "lsat-fusion-exact", "lsat-stack", "long+prior"} {
		s, err := New(name, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.At(8); !errors.Is(err, ErrTooEarly) {
			t.Errorf("%s at 8: error %v", name, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"", "shorts", "lsat-ensemble-", "lsat-ensemble-0", "lsat-ensemble-x", "lsat-ensemble-07", "lsat-ensemble-N",
		"short-old-", "short-old-0", "short-old-N", "+prior", "zero-shot+prior", "in-context+prior", "short+prior+prior", "shorts+prior"} {
		if _, err := New(name, Options{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}
