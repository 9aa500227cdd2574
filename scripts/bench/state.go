package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// measurement is what one contestant did in one round.
type measurement struct {
	Seconds float64 `json:"seconds"`
	size
	GFLOPS    float64   `json:"gflops,omitempty"` // of the machine's own peak
	Latencies []float64 `json:"latencies,omitempty"`
	Memory    int64     `json:"memory,omitempty"` // the process's high-water mark so far, bytes
}

// rate is targets in a second; 0 where nothing was measured.
func (m measurement) rate() float64 { return m.perSecond(m.Targets) }

// tokenRate is prompts' tokens in a second, every prompt counted whole, whatever is computed once for several.
func (m measurement) tokenRate() float64 { return m.perSecond(m.Tokens) }

func (m measurement) perSecond(n int) float64 {
	if m.Seconds <= 0 {
		return 0
	}
	return float64(n) / m.Seconds
}

// round is one turn of a group: every contestant's measurement.
type round map[string]measurement

// sweep is the search for a peer's best batch size.
type sweep struct {
	Best int `json:"best"`
	// Tried gives samples a second by batch size.
	Tried map[int]float64 `json:"tried"`
	// Compiled is the same with torch.compile in batches of the best size; 0 where that was not tried, or failed, as Uncompiled then says.
	Compiled   float64 `json:"compiled,omitempty"`
	Uncompiled string  `json:"uncompiled,omitempty"`
	// TooLarge is a size that failed, and why.
	TooLarge string `json:"too_large,omitempty"`
}

// compile says whether torch.compile makes the peer faster, beyond what two timings of the same work differ by.
func (s sweep) compile() bool { return s.Compiled > 1.03*s.Tried[s.Best] }

// quality is what the AUC of two ways of training and scoring is compared by.
type quality struct {
	Train, Test int
	// Samples and Labels are those of the tested targets; Scores their log-odds by contestant, as far as they are known yet.
	Samples []int32              `json:"samples"`
	Labels  []bool               `json:"labels"`
	Scores  map[string][]float64 `json:"scores"`
	// Adapters are where the trained adapters lie, by contestant.
	Adapters map[string]string `json:"adapters"`
}

// state is everything that a benchmark has measured: the document is made from it alone.
type state struct {
	// Key says what was measured, and on what: other figures must not be mixed in.
	Key      string             `json:"key"`
	Command  string             `json:"command"`
	Commit   string             `json:"commit"`
	Date     string             `json:"date"`
	Machine  machine            `json:"machine"`
	Data     string             `json:"data"`
	Model    string             `json:"model"`
	Device   string             `json:"device"`
	DType    string             `json:"dtype"`
	Threads  int                `json:"threads"`
	Versions map[string]string  `json:"versions"`
	Samples  map[string]int     `json:"samples"` // tallrec samples a round, by group
	Sweeps   map[string]sweep   `json:"sweeps"`
	Rounds   map[string][]round `json:"rounds"`
	// Apart is by how much the log-odds (or the first loss) of a contestant differ at most from lsat's on the same prompts.
	Apart  map[string]float64 `json:"apart"`
	Absent map[string]string  `json:"absent"`
	AUC    *quality           `json:"auc,omitempty"`
	path   string
}

const stateFile = "rounds.json"

func newState(dir, key string) *state {
	return &state{Key: key, Versions: map[string]string{}, Samples: map[string]int{}, Sweeps: map[string]sweep{}, Rounds: map[string][]round{},
		Apart: map[string]float64{}, Absent: map[string]string{}, path: filepath.Join(dir, stateFile)}
}

// readState reads what an earlier run left; its error wraps os.ErrNotExist where there was none.
func readState(dir string) (*state, error) {
	s := newState(dir, "")
	text, err := os.ReadFile(s.path)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("bench: %s is damaged (remove it to measure anew): %w", s.path, err)
	}
	return s, nil
}

// resume goes on with the state in dir where it has the same key. Another one is set aside under a free name, which is returned.
func resume(dir, key string) (s *state, aside string, err error) {
	s, err = readState(dir)
	if errors.Is(err, os.ErrNotExist) {
		return newState(dir, key), "", nil
	}
	if err != nil || s.Key == key {
		return s, "", err
	}
	for n := 1; ; n++ {
		aside = filepath.Join(dir, fmt.Sprintf("rounds-%d.json", n))
		if _, err := os.Stat(aside); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return nil, "", err
		}
	}
	return newState(dir, key), aside, os.Rename(s.path, aside)
}

func (s *state) save() error { return writeJSON(s.path, s) }

// series are the values of a contestant over the rounds of a group in which it and all the others named were measured.
func (s *state) series(group, name string, value func(measurement) float64, with ...string) []float64 {
	var out []float64
	for _, r := range s.Rounds[group] {
		missing := func(n string) bool { _, ok := r[n]; return !ok }
		if missing(name) || slices.ContainsFunc(with, missing) {
			continue
		}
		out = append(out, value(r[name]))
	}
	return out
}
