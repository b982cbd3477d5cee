# Turns this computer with Windows into a worker of workerpool @WORKERPOOL@ on chain @CHAIN_ID@.
# Made and signed by the pool's owner, @OWNER@, for Poolhand @VERSION@.
#
#   powershell -NoProfile -ExecutionPolicy Bypass -File join.ps1
#                            shows what it will do, asks, and does it
#   ... join.ps1 -Yes ...    does not ask; what follows goes to `poolhand join`
#   ... join.ps1 -Uninstall  takes the worker away again; wallets stay
#   $env:POOLHAND_LINUX      names the Linux, where it is not to be WSL's usual one
#
# Poolhand runs on Linux alone. Windows has a Linux of its own, WSL 2, a virtual machine: there this
# runs the pool's join.sh. It was never run on a real Windows.
#
# Nothing is run before the last line, so half a script does nothing.
param(
    [switch] $Yes,
    [switch] $Uninstall
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [Text.Encoding]::UTF8

$ForJoin = $args
$PoolUrl = @POOL_URL_POWERSHELL@
$ScriptSha256 = '@SCRIPT_SHA256@'
$TaskName = 'Poolhand worker of @WORKERPOOL@'
$Place = Join-Path $env:LOCALAPPDATA 'Poolhand\@WORKERPOOL@'
$LeastBuild = 19041
$Where = @('--user', 'root')
if ($env:POOLHAND_LINUX)
{
    $Where = @('--distribution', $env:POOLHAND_LINUX) + $Where
}

function Say
{
    param([string] $Text)
    [Console]::Error.WriteLine($Text)
}

function Stop-Joining
{
    param([string] $Text)
    Say "poolhand: $Text"
    exit 2
}

# Invoke-Linux WORDS: a program in the Linux, as its root; its exit code is $LASTEXITCODE.
# No word may have a double quote: PowerShell 5 would lose it.
function Invoke-Linux
{
    param([string[]] $Words)
    & wsl.exe @Where --exec @Words
}

function Test-Linux
{
    param([string] $Line)
    $null = Invoke-Linux @('sh', '-c', $Line)
    return $LASTEXITCODE -eq 0
}

function Assert-Windows
{
    $build = [Environment]::OSVersion.Version.Build
    if ($build -lt $LeastBuild)
    {
        Stop-Joining "Windows 10 version 2004 (build $LeastBuild) or newer is needed for WSL 2, and this is build ${build}: update Windows, and run this again"
    }
}

function Get-WslTrouble
{
    if ($null -eq (Get-Command wsl.exe -ErrorAction SilentlyContinue))
    {
        return 'it is not installed'
    }
    if (-not (Test-Linux 'true'))
    {
        return 'it has no such Linux'
    }
    if (-not (Test-Linux 'uname -r | grep -qi wsl2'))
    {
        return 'it is WSL 1, in which no container runs'
    }
    return ''
}

function Assert-Wsl
{
    $trouble = Get-WslTrouble
    if ($trouble -ne '')
    {
        Stop-Joining "this needs a Linux under WSL 2, and ${trouble}: in a PowerShell that was started as administrator give 'wsl --install -d Debian' (one that is WSL 1: 'wsl --set-version NAME 2'), restart Windows, start that Linux once, and run this again"
    }
}

function Show-Plan
{
    Say "This computer becomes a worker of the pool at $PoolUrl"
    Say "(workerpool @WORKERPOOL@, chain @CHAIN_ID@). It will:"
    Say '  1. in the Linux under WSL 2, as its root, install Python with venv and Docker by apt where'
    Say '     they are missing, and start Docker'
    Say "  2. download join.sh from the pool into $Place"
    Say "     (sha256 $ScriptSha256)"
    Say '  3. run it there: it shows its own plan, makes or imports a wallet in that Linux, tells what'
    Say '     it costs, and asks before it deposits anything'
    Say "  4. make the scheduled task '$TaskName', by which the worker runs whenever you are logged in"
}

function Confirm-Plan
{
    if ($Yes)
    {
        return
    }
    $answer = Read-Host 'Go on? [y/N]'
    if ($answer -notin @('y', 'yes'))
    {
        Say 'nothing was done'
        exit 1
    }
}

function Install-Needs
{
    if (-not (Test-Linux 'python3 -c ''import ensurepip, venv'' && command -v dockerd'))
    {
        Invoke-Linux @('sh', '-c', 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3 python3-venv docker.io ca-certificates')
        if ($LASTEXITCODE -ne 0)
        {
            Stop-Joining 'apt did not install Python and Docker in the Linux; its own words are above. Install python3, python3-venv and Docker there by hand, and run this again'
        }
    }
    if (-not (Test-Linux 'docker version || service docker start'))
    {
        Stop-Joining "Docker does not start in the Linux: give 'service docker start' there, fix what it names, and run this again"
    }
}

function Get-JoinScript
{
    $null = New-Item -ItemType Directory -Force -Path $Place
    $file = Join-Path $Place 'join.sh'
    $part = Join-Path $Place 'join.sh.part'
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    try
    {
        Invoke-WebRequest -UseBasicParsing -MaximumRedirection 0 -Uri "$PoolUrl/join.sh" -OutFile $part
    }
    catch
    {
        Stop-Joining "$PoolUrl/join.sh was not downloaded ($($_.Exception.Message)): try again later, or tell the pool's owner"
    }
    $found = (Get-FileHash -Algorithm SHA256 -LiteralPath $part).Hash
    if ($found -ne $ScriptSha256)
    {
        Remove-Item -LiteralPath $part
        Stop-Joining "$PoolUrl/join.sh is not the file that this script was made for (sha256 ${found}): nothing was run; download join.ps1 again, or tell the pool's owner"
    }
    Move-Item -Force -LiteralPath $part -Destination $file
    return $file
}

# ConvertTo-LinuxPath PATH: a path of Windows as the Linux has it.
function ConvertTo-LinuxPath
{
    param([string] $Path)
    $told = Invoke-Linux @('wslpath', '-a', $Path)
    if ($LASTEXITCODE -ne 0)
    {
        Stop-Joining "the Linux under WSL does not see ${Path}: let it mount the drives of Windows (/etc/wsl.conf, [automount]), and run this again"
    }
    return $told
}

# The task holds the Linux open: WSL ends one in which nothing runs that Windows started.
function Register-Worker
{
    param([string] $LinuxPath)
    $script = "'" + $LinuxPath.Replace("'", "'\''") + "'"
    $line = "service docker start; sh $script --yes; exec sleep infinity"
    $quoted = $Where | ForEach-Object { "`"$_`"" }
    $action = New-ScheduledTaskAction -Execute 'wsl.exe' -Argument "$quoted --exec sh -c `"$line`""
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User "$env:USERDOMAIN\$env:USERNAME"
    $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -ExecutionTimeLimit ([TimeSpan]::Zero)
    $null = Register-ScheduledTask -Force -TaskName $TaskName -Action $action -Trigger $trigger -Settings $settings
    Start-ScheduledTask -TaskName $TaskName
}

function Unregister-Worker
{
    if ($null -ne (Get-ScheduledTask -TaskName $TaskName -ErrorAction SilentlyContinue))
    {
        Stop-ScheduledTask -TaskName $TaskName
        Unregister-ScheduledTask -TaskName $TaskName -Confirm:$false
    }
}

function Uninstall-Worker
{
    $file = Join-Path $Place 'join.sh'
    if (Test-Path -LiteralPath $file)
    {
        Invoke-Linux @('sh', (ConvertTo-LinuxPath $file), '--yes', '--uninstall')
        if ($LASTEXITCODE -ne 0)
        {
            Stop-Joining 'the worker was not taken away; why is above. Nothing was removed'
        }
        Remove-Item -Recurse -LiteralPath $Place
    }
    Unregister-Worker
    Say 'the worker is taken away; wallets stay in the Linux, below /root/.ethereum/keystore'
}

function Main
{
    Assert-Windows
    Assert-Wsl
    if ($Uninstall)
    {
        Uninstall-Worker
        exit 0
    }
    Show-Plan
    Confirm-Plan
    Install-Needs
    $script = ConvertTo-LinuxPath (Get-JoinScript)
    $words = @('sh', $script)
    if ($Yes)
    {
        $words += '--yes'
    }
    Invoke-Linux ($words + $ForJoin)
    if ($LASTEXITCODE -ne 0)
    {
        Stop-Joining 'the worker was not set up; why is above. Nothing is lost: run this again to go on'
    }
    Register-Worker $script
    Say 'the worker runs whenever you are logged in to Windows'
}

Main
