-- For wrk: sends the bodies of a folder in turn, and prints one line of JSON at the end.
-- Arguments behind `--`: the folder, the path, then headers as name and value in turn.
local requests, turn = {}, 0

function init(words)
  local folder, path, headers = words[1], words[2], {}
  for place = 3, #words, 2 do headers[words[place]] = words[place + 1] end
  local number = 0
  while true do
    local file = io.open(folder .. "/" .. number .. ".body", "rb")
    if not file then break end
    requests[number + 1] = wrk.format("POST", path, headers, file:read("*a"))
    file:close()
    number = number + 1
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, all)
  local errors = summary.errors
  io.write(string.format(
    '\nWRK {"requests":%d,"microseconds":%d,"p50":%.3f,"p90":%.3f,"p99":%.3f,"not_2xx":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50) / 1000, latency:percentile(90) / 1000,
    latency:percentile(99) / 1000, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
