package prompt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sort"
	"strconv"
	"strings"
	"sync"

	"lsat/period"
)

// Counting is a Template whose texts may hold more of a stream than its samples and their histories (Config.Popularity). Hashes of template and
// samples do not decide its sequences: whoever stores what follows from them adds HashTokens.
type Counting interface {
	Template
	// Counts says whether they do.
	Counts() bool
}

// HashTokens is the SHA-256, in hex, of the tokens of sequences and of where they end.
func HashTokens(seqs []Sequence) string {
	h := sha256.New()
	for i := range seqs {
		b := make([]byte, 0, 4*len(seqs[i].Tokens)+8)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(seqs[i].Tokens)))
		for _, id := range seqs[i].Tokens {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
		_, _ = h.Write(b) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// tally is how many had rated an item by some moment, and how many of them had liked it.
type tally struct{ rated, liked int32 }

// popularity knows the tally that a prompt may tell of each event's item. It is the one that a prior has that serves the event's period: all
// ratings before the period began, and none of the period itself. Nothing has been served before period 1; there an event is told what came
// before itself. Under period.Options.StrictTime, "before" is an earlier second.
type popularity struct {
	// starts are the first events of the periods.
	starts []int32
	// served holds the tallies of all items for each period but the first, and early those of single events before period 1.
	served [][]tally
	early  []tally
}

func newPopularity(s *period.Stream) *popularity {
	p := &popularity{served: make([][]tally, len(s.Periods))}
	events := s.Set.Interactions
	cuts := make([]int, len(s.Periods)) // how many events count for a period
	for k := range s.Periods {
		cuts[k] = len(events) // of a period without samples at the end
		if lo := s.Periods[k].All.Lo; lo < len(s.Samples) {
			cuts[k] = int(s.Samples[lo].Event)
		}
		start := cuts[k]
		p.starts = append(p.starts, int32(start))
		if s.Options.StrictTime && start < len(events) {
			cuts[k] = sort.Search(len(events), func(i int) bool { return events[i].Time >= events[start].Time })
		}
	}
	early := len(events)
	if len(p.starts) > 1 {
		early = int(p.starts[1])
	}
	p.early = make([]tally, early)
	now := make([]tally, len(s.Set.Items))
	next := 1
	for i := 0; i < len(events); {
		for next < len(cuts) && cuts[next] <= i {
			p.served[next] = append([]tally(nil), now...)
			next++
		}
		together := i + 1
		for s.Options.StrictTime && together < len(events) && events[together].Time == events[i].Time {
			together++
		}
		for k := i; k < min(together, early); k++ {
			p.early[k] = now[events[k].Item]
		}
		for ; i < together; i++ {
			t := &now[events[i].Item]
			t.rated++
			if s.Liked(int32(i)) {
				t.liked++
			}
		}
	}
	return p
}

// of is the tally of an event's item.
func (p *popularity) of(s *period.Stream, event int32) tally {
	if int(event) < len(p.early) {
		return p.early[event]
	}
	k := sort.Search(len(p.starts), func(k int) bool { return p.starts[k] > event }) - 1
	return p.served[k][s.Set.Interactions[event].Item]
}

// popularities makes the popularity of a stream once. A template is asked about one stream after another, if about several.
type popularities struct {
	mu     sync.Mutex
	stream *period.Stream
	made   *popularity
}

func (c *popularities) get(s *period.Stream) *popularity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != s {
		c.stream, c.made = s, newPopularity(s)
	}
	return c.made
}

// popularityText says a tally in the words of the configuration.
func (c Config) popularityText(t tally) string {
	if t.rated == 0 {
		return strings.NewReplacer(c.words()...).Replace(c.Unrated)
	}
	share := (200*int(t.liked) + int(t.rated)) / (2 * int(t.rated)) // per cent, rounded to the nearest
	return strings.NewReplacer(c.words("{share}", strconv.Itoa(share), "{count}", strconv.Itoa(int(t.rated)))...).Replace(c.Rated)
}

// tell makes the pieces that say an item's popularity. Of the text between {title} and the label it returns what comes before the popularity, and
// the context that a label stands in.
func (t *streaming) tell(ask string) (before, context string) {
	before, end, _ := strings.Cut(ask, "{popularity}")
	lead := before[len(strings.TrimRight(before, " ")):] // as tokenizers have it, a space belongs to what follows
	before = strings.TrimRight(before, " ")
	titled := anchor + t.cfg.Untitled + before
	t.told = newTitleCache(func(text string) []int32 {
		ids, _ := continuation(t.tok, titled, lead+text+end)
		return append(ids, t.lead...)
	})
	return before, titled + lead + t.cfg.popularityText(tally{}) + end
}

// resolvePopularity fills in the texts, or refuses them where they would not be used.
func (c *Config) resolvePopularity() error {
	if !c.Popularity {
		if c.Rated != "" || c.Unrated != "" {
			return errors.New("prompt: rated and unrated are texts of popularity, which is off")
		}
		return nil
	}
	orDefault(&c.Rated, DefaultRated)
	orDefault(&c.Unrated, DefaultUnrated)
	if err := checkText("rated", c.Rated, "{share}", "{count}"); err != nil {
		return err
	}
	return checkText("unrated", c.Unrated)
}
