package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"lsat/catalog"
	"lsat/dataset"
	"lsat/internal/atomicfile"
	"lsat/period"
	"lsat/prompt"
)

// file is a list of prompts as every worker reads it: token ids, so that tokenizing is the same for all and costs nobody anything.
type file struct {
	Answers   prompt.Answers    `json:"answers"`
	Sequences []prompt.Sequence `json:"sequences"`
	// Lists group sequences that one request asks for (rerank); empty otherwise.
	Lists [][]int `json:"lists,omitempty"`
}

func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("prompts: %w", err)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("prompts %s: %w", path, err)
	}
	return &f, nil
}

func writeJSON(path string, v any) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
}

// The files of prompts, by template and part.
const (
	tallrecTrain = "tallrec-train"
	tallrecTest  = "tallrec-test"
	streamTrain  = "stream-train"
	streamTest   = "stream-test"
	rerankLists  = "rerank"
)

// sharedData is where ML-1M may lie beside the repository.
const sharedData = "../shared/data/ml-1m"

// The period whose training part is trained on, the newest samples that 20 periods are cut from, and how much of it is the pool of samples.
const (
	newest       = 200000
	periods      = 20
	trained      = 10
	pool         = 4500
	users        = 60
	candidates   = 100
	streamTokens = 512
	streamRun    = 80
)

// openStream reads ML-1M, or the nearest thing to it that this machine has, and says which.
func openStream(ctx context.Context, say func(string)) (*period.Stream, string, error) {
	path, name := sharedData, "ML-1M"
	if _, err := os.Stat(path); err != nil {
		path = ""
		for _, entry := range []string{"ml-1m", "ml-100k"} {
			r, err := catalog.Pull(ctx, entry, catalog.Options{})
			if err != nil {
				say(fmt.Sprintf("%s is not to be had: %v", entry, err))
				continue
			}
			path, name = r.Main, entry+" of the catalogue"
			break
		}
	}
	if path == "" {
		return nil, "", fmt.Errorf("no ratings: neither %s nor the catalogue's ml-1m and ml-100k", sharedData)
	}
	set, err := dataset.Open(ctx, path, dataset.Options{})
	if err != nil {
		return nil, "", err
	}
	s, err := period.New(set, period.Options{Newest: newest, Count: periods})
	return s, name, err
}

// writePrompts writes every file of prompts to dir.
func writePrompts(dir string, stream *period.Stream, tok prompt.Tokenizer) error {
	parts := map[string][]int{
		"train": wholeUsers(stream, stream.Periods[trained].Train, pool),
		"test":  wholeUsers(stream, stream.Periods[trained+1].All, pool),
	}
	for _, c := range []prompt.Config{
		{Template: prompt.TallRec},
		{Template: prompt.Stream, Title: prompt.NaturalNoYear, TargetsPerSequence: streamRun, MaxTokens: streamTokens},
	} {
		t, err := prompt.New(c, tok)
		if err != nil {
			return err
		}
		for part, samples := range parts {
			seqs, err := t.Sequences(stream, samples)
			if err != nil {
				return err
			}
			if err := writeJSON(filepath.Join(dir, c.Template+"-"+part+".json"), file{Answers: t.Answers(), Sequences: seqs}); err != nil {
				return err
			}
		}
		if c.Template == prompt.Stream {
			f, err := rerankFile(stream, t, parts["test"])
			if err != nil {
				return err
			}
			if err := writeJSON(filepath.Join(dir, rerankLists+".json"), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// wholeUsers takes whole users in the order of their first sample until it has n samples; the last user gives its oldest.
func wholeUsers(s *period.Stream, r period.Range, n int) []int {
	byUser := map[int32][]int{}
	var order []int32
	for i := r.Lo; i < r.Hi; i++ {
		u := s.User(i)
		if byUser[u] == nil {
			order = append(order, u)
		}
		byUser[u] = append(byUser[u], i)
	}
	var out []int
	for _, u := range order {
		out = append(out, byUser[u][:min(len(byUser[u]), n-len(out))]...)
		if len(out) == n {
			break
		}
	}
	sort.Ints(out)
	return out
}

// rerankFile asks of each of some users about the same number of candidates: the user's newest history, then one candidate, which is another
// sample's item. Each pair is a sequence of its own with one target.
func rerankFile(s *period.Stream, t prompt.Template, samples []int) (*file, error) {
	f := &file{Answers: t.Answers()}
	var questions [][]int32
	stride := max(1, len(samples)/candidates)
	for k := 0; k < len(samples) && len(questions) < candidates; k += stride {
		_, q, err := split(s, t, samples[k])
		if err != nil {
			return nil, err
		}
		questions = append(questions, q)
	}
	seen := map[int32]bool{}
	for _, i := range samples {
		if seen[s.User(i)] || len(f.Lists) == users {
			continue
		}
		seen[s.User(i)] = true
		prefix, _, err := split(s, t, i)
		if err != nil {
			return nil, err
		}
		var list []int
		for _, q := range questions {
			list = append(list, len(f.Sequences))
			f.Sequences = append(f.Sequences, extended(prefix, q))
		}
		f.Lists = append(f.Lists, list)
	}
	return f, nil
}

// split writes one sample and parts its sequence into what stands before the target's item and the item's own tokens.
func split(s *period.Stream, t prompt.Template, sample int) (prefix prompt.Sequence, question []int32, err error) {
	seqs, err := t.Sequences(s, []int{sample})
	if err != nil {
		return prefix, nil, err
	}
	q := seqs[0]
	last := q.Steps[len(q.Steps)-1]
	at := sort.Search(len(q.Steps), func(k int) bool { return q.Steps[k] >= last })
	return prompt.Sequence{Tokens: q.Tokens[:at], Steps: q.Steps[:at], Window: q.Window}, q.Tokens[at:], nil
}

// extended is the prefix followed by a question, which is the target.
func extended(prefix prompt.Sequence, question []int32) prompt.Sequence {
	out := prompt.Sequence{Window: prefix.Window}
	out.Tokens = append(append(out.Tokens, prefix.Tokens...), question...)
	out.Steps = append(out.Steps, prefix.Steps...)
	step := int32(0)
	if n := len(prefix.Steps); n > 0 {
		step = prefix.Steps[n-1] + 1
	}
	for range question {
		out.Steps = append(out.Steps, step)
	}
	out.Targets = []prompt.Target{{Position: int32(len(out.Tokens) - 1)}}
	return out
}
